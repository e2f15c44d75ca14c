"use strict";

const TILES = 60; // a page

/** Pictures of the galaxies in the table's order, a page at a time. */
class Gallery {
  constructor(galaxies, { caption, onOpen }) {
    this.galaxies = galaxies;
    this.caption = caption;
    this.onOpen = onOpen;
    this.order = [];
    this.page = 0;
    this.tiles = document.getElementById("tiles");
    this.before = document.getElementById("page-before");
    this.after = document.getElementById("page-after");
    this.before.addEventListener("click", () => this.#turn(-1));
    this.after.addEventListener("click", () => this.#turn(1));
  }

  show(order) {
    this.order = order;
    this.page = 0;
    this.draw();
  }

  draw() {
    const pages = Math.max(1, Math.ceil(this.order.length / TILES));
    const shown = this.order.slice(this.page * TILES, (this.page + 1) * TILES);
    this.tiles.replaceChildren(...shown.map((galaxy) => this.#tile(galaxy)));
    this.before.disabled = this.page === 0;
    this.after.disabled = this.page === pages - 1;
    document.getElementById("page-number").textContent = `page ${this.page + 1} of ${pages}`;
  }

  focus(galaxy) {
    this.page = Math.max(0, Math.floor(this.order.indexOf(galaxy) / TILES));
    this.draw();
    this.tiles.querySelector(`button[data-galaxy="${galaxy}"]`)?.focus();
  }

  #turn(pages) {
    this.page += pages;
    this.draw();
    this.tiles.querySelector("button")?.focus();
  }

  #tile(galaxy) {
    const item = document.createElement("li");
    const button = make("button", "tile");
    const picture = make("span", "picture");
    button.type = "button";
    button.dataset.galaxy = galaxy;
    this.galaxies.showPicture(picture, galaxy);
    button.append(
      picture,
      make("span", "name", this.galaxies.ids[galaxy]),
      make("span", "path", this.caption(galaxy)),
    );
    button.addEventListener("click", () => this.onOpen(galaxy));
    item.append(button);
    return item;
  }
}
