// What a page that renews itself needs beside htmx: it says when it no longer does. Without it, everything else works.
"use strict";
(() => {
  const line = () => document.getElementById("stale");
  let last = new Date();
  const failed = () => {
    const shown = line();
    if (!shown) return;
    shown.textContent = `This page is as of ${last.toISOString().slice(11, 19)} UTC: gridwatch's page doesn't answer any more.`;
    shown.hidden = false;
    document.body.classList.add("old");
  };
  // A page that hangs says nothing at all: who has heard nothing for three times as long as usual says so by themselves.
  const silent = () => {
    if (document.querySelector("[hx-trigger^='every']") && Date.now() - last.getTime() > 30_000) failed();
  };
  setInterval(silent, 5_000);
  document.addEventListener("htmx:error", failed);
  document.addEventListener("htmx:response:error", failed);
  document.addEventListener("htmx:after:swap", () => {
    last = new Date();
    const shown = line();
    if (shown) shown.hidden = true;
    document.body.classList.remove("old");
  });
})();
