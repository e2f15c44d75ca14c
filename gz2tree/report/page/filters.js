"use strict";

const ERRORS = {
  rmse: "RMSE",
  nullRmse: "Null RMSE",
  disagreement: "Largest difference",
};

/** Which galaxies are shown: those whose id and quantities meet every condition. */
class Filters {
  constructor(galaxies, onChange) {
    this.galaxies = galaxies;
    this.onChange = onChange;
    this.list = document.getElementById("conditions");
    this.search = document.getElementById("search");
    this.search.addEventListener("input", onChange);
    document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
    document.getElementById("add-condition").addEventListener("click", () => this.#add().focus());
    document.getElementById("clear").addEventListener("click", () => this.#clear());
    this.#add();
  }

  /** A function that tells of each galaxy whether it is shown. */
  test() {
    const text = this.search.value.trim();
    const conditions = [...this.list.children].map((item) => this.#condition(item)).filter(Boolean);
    return (galaxy) =>
      this.galaxies.ids[galaxy].includes(text) &&
      conditions.every(({ value, least, most }) => value(galaxy) >= least && value(galaxy) <= most);
  }

  #condition(item) {
    const number = (name, empty) => {
      const { value } = item.querySelector(name);
      return value === "" ? empty : Number(value);
    };
    const [least, most] = [number(".least", -Infinity), number(".most", Infinity)];
    if (least === -Infinity && most === Infinity) {
      return null;
    }
    const what = item.querySelector(".what").value;
    const whose = item.querySelector(".whose").value;
    const value = (galaxy) =>
      what in ERRORS ? this.galaxies.error(galaxy, what) : this.galaxies[whose](galaxy, Number(what));
    return { value, least, most };
  }

  #add() {
    const item = document.getElementById("condition").content.cloneNode(true).firstElementChild;
    const what = item.querySelector(".what");
    const whose = item.querySelector(".whose");
    if (this.galaxies.hasVotes) {
      whose.add(new Option("voted", "voted"));
      what.append(optionGroup("Votes against model", Object.entries(ERRORS)));
    }
    what.append(...answerGroups(this.galaxies));
    what.value = String(this.galaxies.flagged ?? 0);
    item.addEventListener("input", () => {
      whose.hidden = what.value in ERRORS;
      this.onChange();
    });
    item.querySelector(".remove").addEventListener("click", () => {
      item.remove();
      document.getElementById("add-condition").focus();
      this.onChange();
    });
    this.list.append(item);
    return what;
  }

  #clear() {
    this.search.value = "";
    this.list.replaceChildren();
    this.#add();
    this.onChange();
  }
}

function optionGroup(label, options) {
  const group = document.createElement("optgroup");
  group.label = label;
  group.append(...options.map(([value, text]) => new Option(text, value)));
  return group;
}

/** All answers as options, question by question. */
function answerGroups(galaxies) {
  return galaxies.questions.map((question, number) =>
    optionGroup(
      question.label,
      galaxies.positions(number).map((answer) => [String(answer), galaxies.answers[answer].label]),
    ));
}
