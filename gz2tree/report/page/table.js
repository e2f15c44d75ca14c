"use strict";

const ROW_HEIGHT = 72; // pixels, as in report.css

/** The table of galaxies: only the rows in sight are in the document. */
class GalaxyTable {
  constructor(galaxies, { answer, onOrder, onOpen }) {
    this.galaxies = galaxies;
    this.answer = answer;
    this.onOpen = onOpen;
    this.current = null;
    this.element = document.getElementById("table");
    this.table = new Tabulator(this.element, {
      data: galaxies.ids.map((id, index) => ({ index, id })),
      index: "index",
      columns: this.#columns(),
      height: "min(75vh, 800px)",
      rowHeight: ROW_HEIGHT,
      layout: "fitColumns",
      responsiveLayout: "hide",
      placeholder: "No galaxy meets all conditions",
      rowFormatter: (row) => row.getElement().setAttribute("aria-rowindex", row.getPosition() + 1),
    });
    this.table.on("dataSorted", (sorters, rows) =>
      onOrder(rows.map((row) => row.getData().index), sorters[0]));
    this.ready = new Promise((resolve) => this.table.on("tableBuilt", resolve));
    this.ready.then(() => this.#listen());
  }

  #columns() {
    const numeric = (field, title, value, more = {}) => ({
      field,
      title,
      titleFormatter: (cell) => make("span", "", cell.getValue()),
      hozAlign: "right",
      headerHozAlign: "right",
      minWidth: 98,
      headerSortStartingDir: "desc",
      formatter: (cell) => this.#bar(value(cell.getData().index), field),
      sorter: (a, b, rowA, rowB, column, direction) =>
        compare(value(rowA.getData().index), value(rowB.getData().index), direction),
      ...more,
    });
    const { galaxies } = this;
    const columns = [
      {
        title: "Galaxy",
        field: "id",
        minWidth: 148,
        widthGrow: 3,
        sorter: (a, b) => BY_NAME.compare(a, b),
        formatter: (cell) => this.#name(cell.getData().index),
      },
      numeric("predicted", "Predicted", (galaxy) => galaxies.predicted(galaxy, this.answer)),
    ];
    if (galaxies.hasVotes) {
      columns.push(numeric("voted", "Voted", (galaxy) => galaxies.voted(galaxy, this.answer)));
      const errors = Object.entries(ERRORS).reverse();
      for (const [place, [name, title]] of errors.entries()) {
        const more = { responsive: place + 2 };
        columns.push(numeric(name, title, (galaxy) => galaxies.error(galaxy, name), more));
      }
    }
    return columns;
  }

  #name(galaxy) {
    const cell = make("div", "galaxy");
    const picture = make("span", "picture");
    this.galaxies.showPicture(picture, galaxy);
    const button = make("button", "open", this.galaxies.ids[galaxy]);
    button.type = "button";
    button.tabIndex = -1;
    button.dataset.galaxy = galaxy;
    const text = make("div", "text");
    text.append(button, make("span", "path", this.galaxies.pathText(galaxy)));
    cell.append(picture, text);
    return cell;
  }

  #bar(value, className) {
    const cell = make("span", `value ${className}`, digits(value));
    cell.style.setProperty("--share", Number.isNaN(value) ? 0 : Math.min(value, 1));
    return cell;
  }

  /** One stop for the Tab key: the table's body, which hands the focus to a galaxy. */
  #listen() {
    const holder = this.element.querySelector(".tabulator-tableholder");
    this.holder = holder;
    holder.setAttribute("aria-label", "Rows of galaxies");
    holder.tabIndex = 0;
    holder.addEventListener("focus", () => this.#focusFirst());
    holder.addEventListener("focusin", (event) => {
      holder.tabIndex = event.target === holder ? 0 : -1;
    });
    holder.addEventListener("focusout", () => { holder.tabIndex = 0; });
    this.table.on("scrollVertical", () => {
      if (!holder.contains(document.activeElement)) {
        holder.tabIndex = 0; // the galaxy that had the focus has left the document
      }
    });
    holder.addEventListener("keydown", (event) => this.#move(event));
    this.table.on("rowClick", (event, row) => this.onOpen(row.getData().index));
  }

  #focusFirst() {
    const top = this.holder.getBoundingClientRect().top;
    const buttons = [...this.holder.querySelectorAll("button.open")];
    const kept = buttons.find((button) => Number(button.dataset.galaxy) === this.current);
    const seen = buttons.find((button) => button.getBoundingClientRect().top >= top);
    (kept ?? seen ?? buttons[0])?.focus({ preventScroll: true });
  }

  #move(event) {
    const galaxy = Number(event.target.dataset?.galaxy);
    const order = this.table.getRows("active").map((row) => row.getData().index);
    const page = Math.max(1, Math.floor(this.holder.clientHeight / ROW_HEIGHT) - 1);
    const steps = {
      ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page,
      Home: -order.length, End: order.length,
    };
    if (Number.isNaN(galaxy) || !(event.key in steps)) {
      return;
    }
    event.preventDefault();
    const place = order.indexOf(galaxy) + steps[event.key];
    this.focus(order[Math.min(Math.max(place, 0), order.length - 1)]);
  }

  /** Bring a galaxy into sight and give it the focus. */
  async focus(galaxy) {
    this.current = galaxy;
    await this.table.scrollToRow(galaxy, "nearest", false).catch(() => null);
    this.holder.querySelector(`button.open[data-galaxy="${galaxy}"]`)?.focus({ preventScroll: true });
  }

  filter(test) {
    this.table.setFilter((row) => test(row.index));
  }

  sort(field, direction) {
    this.table.setSort(field, direction);
  }

  show(answer) {
    this.answer = answer;
    this.table.getRows("visible").forEach((row) => row.reformat());
    this.table.redraw(true);
  }
}

const BY_NAME = new Intl.Collator("en", { numeric: true });

/** Smaller first; what is not measured comes last in either direction. */
function compare(one, other, direction) {
  const [first, second] = [Number.isNaN(one), Number.isNaN(other)];
  if (first || second) {
    return (first - second) * (direction === "asc" ? 1 : -1);
  }
  return one - other;
}
