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
  };
  document.addEventListener("htmx:error", failed);
  document.addEventListener("htmx:response:error", failed);
  document.addEventListener("htmx:after:swap", () => {
    last = new Date();
    const shown = line();
    if (shown) shown.hidden = true;
  });
})();
