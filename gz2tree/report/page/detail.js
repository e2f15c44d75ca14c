"use strict";

/** One galaxy, opened: its picture, how far votes and model agree, its tree. */
class Detail {
  constructor(galaxies, { neighbour, onClose }) {
    this.galaxies = galaxies;
    this.galaxy = null;
    this.neighbour = neighbour;
    this.dialog = document.getElementById("detail");
    this.title = document.getElementById("detail-title");
    this.tree = document.getElementById("tree");
    this.steps = { before: -1, after: 1 };
    for (const [name, step] of Object.entries(this.steps)) {
      document.getElementById(name).addEventListener("click", () =>
        this.#show(this.neighbour(this.galaxy, step)));
    }
    document.getElementById("close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => onClose(this.galaxy));
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) {
        this.dialog.close(); // a click beside it
      }
    });
    this.dialog.querySelector(".modes").addEventListener("change", () => this.#drawTree(true));
    this.#explain();
  }

  open(galaxy) {
    this.dialog.showModal();
    this.#show(galaxy);
    this.title.focus();
  }

  #show(galaxy) {
    this.galaxy = galaxy;
    const id = this.galaxies.ids[galaxy];
    this.title.textContent = id;
    const cutout = document.getElementById("cutout");
    cutout.setAttribute("aria-label", `Image of galaxy ${id}`);
    this.galaxies.showPicture(cutout, galaxy);
    document.getElementById("facts").replaceChildren(...this.#facts());
    for (const [name, step] of Object.entries(this.steps)) {
      document.getElementById(name).disabled = this.neighbour(galaxy, step) === undefined;
    }
    this.#drawTree(false);
    this.dialog.scrollTop = 0;
  }

  #facts() {
    const facts = [["Most probable", this.galaxies.pathText(this.galaxy)]];
    if (this.galaxies.hasVotes) {
      for (const [name, title] of Object.entries(ERRORS)) {
        facts.push([title, digits(this.galaxies.error(this.galaxy, name))]);
      }
      const answer = this.galaxies.mostDisputed(this.galaxy);
      if (answer !== null) {
        facts.push(["Differ most in", this.galaxies.describe(answer)]);
      }
    }
    return facts.map(([name, value]) => {
      const fact = make("div");
      fact.append(make("dt", "", name), make("dd", "", value));
      return fact;
    });
  }

  /** Draw the tree; what was opened and closed stays so when only the numbers change. */
  #drawTree(keep) {
    const branches = [...this.tree.querySelectorAll("details")];
    const open = new Map(branches.map((b) => [Number(b.dataset.answer), b.open]));
    const mode = this.dialog.querySelector(".modes input:checked").value;
    const view = new TreeView(this.galaxies, this.galaxy, mode === "conditional");
    this.tree.replaceChildren(keep ? view.draw((answer) => open.get(answer)) : view.draw());
  }

  #explain() {
    const legend = document.getElementById("legend");
    legend.append(make("span", "key predicted", "predicted"));
    if (this.galaxies.hasVotes) {
      legend.append(make("span", "key voted", "voted"));
    }
    legend.append(
      make("span", "", "bold: the most probable path"),
      make("span", "", "0: exactly 0"),
      make("span", "", "never: the question is never asked, as what leads to it is 0"),
      make("span", "", "–: not measured"),
    );
  }
}
