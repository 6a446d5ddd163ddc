"use strict";
// Filters the table. The page is whole without it.
(() => {
  const form = document.querySelector("form[role=search]");
  const [words, status, told] = form.querySelectorAll("input, select, output");
  const cells = [...document.querySelectorAll(".cells > tbody")];
  const texts = cells.map((cell) => cell.textContent.toLowerCase());
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    cells.forEach((cell, at) => {
      const fits = (!status.value || cell.className === status.value) && wanted.every((word) => texts[at].includes(word));
      cell.hidden = !fits;
      shown += fits;
    });
    told.textContent = shown === cells.length ? "" : `${shown} of ${cells.length} cells`;
  };
  form.hidden = cells.length < 2;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  // A link to a cell opens it; so does printing, where the style sheet could not.
  const open = () => document.querySelector(`${location.hash || "#none"} details`)?.setAttribute("open", "");
  addEventListener("hashchange", open);
  open();
  if (!CSS.supports("selector(details::details-content)")) {
    let opened = [];
    addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("details:not([open])")];
      opened.forEach((one) => { one.open = true; });
    });
    addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
  }
})();
