"use strict";

/** The tree of one galaxy as nested lists; answers that lead on can be opened. */
class TreeView {
  constructor(galaxies, galaxy, conditional) {
    this.galaxies = galaxies;
    this.galaxy = galaxy;
    this.conditional = conditional;
    this.path = galaxies.path(galaxy);
  }

  draw(isOpen = (answer) => this.path.has(answer)) {
    this.isOpen = isOpen;
    const fragment = document.createDocumentFragment();
    this.galaxies.questions.forEach(({ parents }, question) => {
      if (parents.length === 0) {
        fragment.append(this.#question(question));
      }
    });
    return fragment;
  }

  /** Questions drawn below an answer: under the most probable of those that lead to them. */
  #below(answer) {
    return [...this.galaxies.questions.keys()].filter((question) => {
      const { parents } = this.galaxies.questions[question];
      return parents.includes(answer) &&
        this.galaxies.mostProbable(this.galaxy, parents) === answer;
    });
  }

  #question(question) {
    const { label, parents } = this.galaxies.questions[question];
    const section = make("section", "question");
    const title = make("h3", "", label);
    if (parents.length > 0) {
      const asked = ["predicted", ...(this.galaxies.hasVotes ? ["voted"] : [])].map(
        (whose) => `${whose} ${this.#asked(question, whose)}`,
      );
      title.append(" ", make("small", "", `asked: ${asked.join(", ")}`));
    }
    const list = document.createElement("ul");
    list.append(...this.galaxies.positions(question).map((answer) => this.#answer(answer)));
    section.append(title, list);
    return section;
  }

  #asked(question, whose) {
    const reach = this.galaxies.reach(this.galaxy, question, whose);
    return reach === 0 ? "never" : digits(reach);
  }

  #answer(answer) {
    const item = document.createElement("li");
    item.classList.toggle("on-path", this.path.has(answer));
    const below = this.#below(answer);
    if (below.length === 0) {
      item.append(this.#line(answer, "div"));
      return item;
    }
    const branch = document.createElement("details");
    branch.dataset.answer = answer;
    branch.open = this.isOpen(answer);
    branch.append(this.#line(answer, "summary"), ...below.map((question) => this.#question(question)));
    item.append(branch);
    return item;
  }

  #line(answer, tag) {
    const line = make(tag, "answer");
    const numbers = make("span", "numbers");
    const bars = make("span", "bars");
    for (const whose of ["predicted", "voted"]) {
      if (whose === "predicted" || this.galaxies.hasVotes) {
        const value = this.#probability(answer, whose);
        const { question } = this.galaxies.answers[answer];
        const never = this.galaxies.reach(this.galaxy, question, whose) === 0;
        if (!Number.isNaN(value) && !never) {
          const bar = make("span", whose);
          bar.style.setProperty("--share", Math.min(value, 1));
          bars.append(bar);
        }
        const number = make("span", never ? `${whose} never` : whose);
        number.append(make("span", "spoken", `${whose} `), never ? "never" : digits(value), " ");
        numbers.append(number);
      }
    }
    bars.setAttribute("aria-hidden", "true");
    const name = make("span", "label", this.galaxies.answers[answer].label);
    if (this.path.has(answer)) {
      name.append(make("span", "spoken", ", most probable"));
    }
    line.append(name, bars, numbers);
    return line;
  }

  #probability(answer, whose) {
    const value = this.galaxies[whose](this.galaxy, answer);
    if (!this.conditional) {
      return value;
    }
    const reach = this.galaxies.reach(this.galaxy, this.galaxies.answers[answer].question, whose);
    return reach > 0 ? value / reach : NaN;
  }
}
