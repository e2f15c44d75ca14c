"use strict";

/** The report's data as galaxies, numbered from 0. Probabilities are cumulative; NaN: not measured. */
class Galaxies {
  constructor(data) {
    this.data = data;
    this.ids = data.ids;
    this.questions = data.questions;
    this.hasVotes = data.voted !== null;
    this.flagged = data.flagged; // the answer that chose them, or null
    this.answers = data.questions.flatMap((question, number) =>
      question.answers.map((label) => ({ label, question: number })));
  }

  #number(whole) {
    return whole === null ? NaN : whole / this.data.unit;
  }

  predicted(galaxy, answer) {
    return this.#number(this.data.predicted[answer][galaxy]);
  }

  voted(galaxy, answer) {
    return this.hasVotes ? this.#number(this.data.voted[answer][galaxy]) : NaN;
  }

  /** RMSE, nullRmse or disagreement of a galaxy. */
  error(galaxy, name) {
    return this.#number(this.data.errors[name][galaxy]);
  }

  /** Probability, predicted or voted, that a question was asked. */
  reach(galaxy, question, whose) {
    const { parents } = this.questions[question];
    return parents.length === 0
      ? 1
      : parents.reduce((sum, answer) => sum + this[whose](galaxy, answer), 0);
  }

  positions(question) {
    const { start, answers } = this.questions[question];
    return answers.map((_, offset) => start + offset);
  }

  /** Answers on the most probable path; questions asked side by side give one each. */
  path(galaxy) {
    const given = new Set();
    this.questions.forEach(({ parents }, question) => {
      const answers = this.positions(question);
      const best = this.mostProbable(galaxy, answers);
      const asked = parents.length === 0 || parents.some((answer) => given.has(answer));
      if (asked && this.predicted(galaxy, best) > 0) {
        given.add(best);
      }
    });
    return given;
  }

  mostProbable(galaxy, answers) {
    return answers.reduce((best, answer) =>
      this.predicted(galaxy, answer) > this.predicted(galaxy, best) ? answer : best);
  }

  /** The answer in which votes and model differ most; null if nothing is measured. */
  mostDisputed(galaxy) {
    const gap = (answer) => Math.abs(this.predicted(galaxy, answer) - this.voted(galaxy, answer));
    return this.answers.reduce((worst, _, answer) => {
      const larger = worst === null ? !Number.isNaN(gap(answer)) : gap(answer) > gap(worst);
      return larger ? answer : worst;
    }, null);
  }

  /** An answer's label; with its question where another one, like yes, is called the same. */
  name(answer) {
    const { label, question } = this.answers[answer];
    const alone = this.answers.filter((other) => other.label === label).length === 1;
    return alone ? label : `${this.questions[question].label.replace(/\?$/, "")}: ${label}`;
  }

  pathText(galaxy) {
    return [...this.path(galaxy)].map((answer) => this.name(answer)).join(" · ");
  }

  describe(answer) {
    const { label, question } = this.answers[answer];
    return `${this.questions[question].label} ${label}`;
  }

  /** Show a galaxy as the background of an element, cut out of its sheet. */
  showPicture(element, galaxy) {
    const columns = this.data.sheetColumns;
    const sheet = Math.floor(galaxy / columns ** 2);
    const place = galaxy % columns ** 2;
    const rows = Math.min(columns, Math.ceil(this.ids.length / columns) - sheet * columns);
    const share = (position, count) => (count > 1 ? (100 * position) / (count - 1) : 0);
    const [x, y] = [share(place % columns, columns), share(Math.floor(place / columns), rows)];
    element.style.backgroundImage = `url("pictures/${String(sheet).padStart(5, "0")}.jpg")`;
    element.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    element.style.backgroundPosition = `${x}% ${y}%`;
  }
}

/** Three digits; 0 only for what is exactly 0, a dash where nothing is measured. */
function digits(value) {
  if (Number.isNaN(value)) {
    return "–";
  }
  if (value === 0) {
    return "0";
  }
  return Math.abs(value) < 0.001 ? "<0.001" : value.toFixed(3);
}

/** An element with a class and, as text whatever it contains, its content. */
function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
