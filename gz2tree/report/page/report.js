"use strict";

/** Everything on the page that reacts, put together. */
class ReportPage {
  constructor(galaxies) {
    this.galaxies = galaxies;
    this.order = [];
    this.answer = document.getElementById("answer");
    this.sort = document.getElementById("sort");
    this.direction = document.getElementById("direction");
    this.answer.append(...answerGroups(galaxies));
    this.answer.value = String(galaxies.flagged ?? 0);
    this.#listQuantities();
    const onOpen = (galaxy) => this.detail.open(galaxy);
    this.detail = new Detail(galaxies, {
      neighbour: (galaxy, step) => this.order[this.order.indexOf(galaxy) + step],
      onClose: (galaxy) => (this.inGallery ? this.gallery : this.table).focus(galaxy),
    });
    this.gallery = new Gallery(galaxies, { caption: (galaxy) => this.#caption(galaxy), onOpen });
    this.table = new GalaxyTable(galaxies, {
      answer: Number(this.answer.value),
      onOrder: (order, sorter) => this.#ordered(order, sorter),
      onOpen,
    });
    this.filters = new Filters(galaxies, () => this.table.filter(this.filters.test()));
    this.table.ready.then(() => this.#listen());
  }

  get inGallery() {
    return !document.getElementById("gallery").hidden;
  }

  #listQuantities() {
    const quantities = this.galaxies.hasVotes
      ? { ...ERRORS, predicted: "Predicted", voted: "Voted" }
      : { predicted: "Predicted" };
    for (const [field, title] of Object.entries({ ...quantities, id: "Id" })) {
      this.sort.add(new Option(title, field));
    }
    const byVotes = this.galaxies.hasVotes && this.galaxies.flagged === null;
    this.sort.value = byVotes ? "disagreement" : "predicted";
  }

  #listen() {
    const highestFirst = () => this.direction.getAttribute("aria-pressed") === "true";
    const sort = () => this.table.sort(this.sort.value, highestFirst() ? "desc" : "asc");
    this.sort.addEventListener("change", sort);
    this.direction.addEventListener("click", () => {
      this.#press(this.direction, !highestFirst());
      sort();
    });
    this.answer.addEventListener("change", () => {
      this.table.show(Number(this.answer.value));
      sort();
    });
    for (const view of ["table", "gallery"]) {
      document.getElementById(`view-${view}`).addEventListener("click", () => this.#view(view));
    }
    sort();
  }

  #press(button, pressed) {
    button.setAttribute("aria-pressed", pressed);
  }

  #view(chosen) {
    for (const view of ["table", "gallery"]) {
      document.getElementById(view).hidden = view !== chosen;
      this.#press(document.getElementById(`view-${view}`), view === chosen);
    }
    if (chosen === "table") {
      this.table.table.redraw();
    }
  }

  #ordered(order, sorter) {
    this.order = order;
    const [shown, all] = [order.length, this.galaxies.ids.length].map((n) => n.toLocaleString("en"));
    document.getElementById("count").textContent = `${shown} of ${all} galaxies`;
    this.table?.element.setAttribute("aria-rowcount", order.length + 1);
    if (sorter) {
      this.sort.value = sorter.field;
      this.#press(this.direction, sorter.dir === "desc");
      this.direction.textContent = sorter.dir === "desc" ? "Highest first" : "Lowest first";
    }
    this.gallery.show(order);
  }

  #caption(galaxy) {
    const field = this.sort.value;
    if (field === "id") {
      return "";
    }
    const answer = Number(this.answer.value);
    return field in ERRORS
      ? `${digits(this.galaxies.error(galaxy, field))} ${this.sort.selectedOptions[0].text}`
      : `${this.galaxies.answers[answer].label} ${digits(this.galaxies[field](galaxy, answer))}`;
  }
}

new ReportPage(new Galaxies(window.gz2tree));
