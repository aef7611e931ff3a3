// What scrolls in a box of its own must be reachable by keyboard: browsers give such a box no focus by themselves.
addEventListener("load", () => {
  const boxes = document.querySelectorAll(".bd-article table, .bd-article pre, .bd-article div.math > span");
  const watch = new ResizeObserver((seen) =>
    seen.forEach(({ target }) => {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    })
  );
  boxes.forEach((box) => watch.observe(box));
});

// Before | after: two pictures on one place, and a line between them to drag. Without script they stand below each other.
document.addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll(".i2i-compare").forEach((box) => {
    const line = box.querySelector("input");
    const move = () => box.style.setProperty("--line", `${line.value}%`);
    line.addEventListener("input", move);
    line.hidden = false;
    box.classList.add("ready");
    move();
  })
);
