// Typesets every formula of the page with the KaTeX in this folder: no other host is asked.
(() => {
  if (!document.querySelector(".math")) return;
  const here = new URL(".", document.currentScript.src);
  const load = (name) =>
    new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = new URL(name, here);
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    });
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("katex.min.css", here);
  document.head.append(style);

  const delimiters = [
    { left: "\\[", right: "\\]", display: true },
    { left: "\\(", right: "\\)", display: false },
  ];
  load("katex.min.js")
    .then(() => load("auto-render.min.js"))
    .then(() => document.querySelectorAll(".math").forEach((place) => renderMathInElement(place, { delimiters })));
})();
