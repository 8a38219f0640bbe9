// What a person cannot read or hit on this page, as a list of words; empty if all is well.
// Contrast as in WCAG 2.2, 1.4.3 and 1.4.11; the size of targets as in 2.5.8.
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });

  // The colours painted over each other, the last on top, as [red, green, blue].
  const mix = (colours) => {
    pen.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
    }
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (behind, colour) => {
    const [dark, light] = [luminance(mix(behind)), luminance(mix([...behind, colour]))].sort();
    return (light + 0.05) / (dark + 0.05);
  };
  const backgrounds = (element) => {
    const found = [];
    for (let at = element; at; at = at.parentElement) {
      found.unshift(getComputedStyle(at).backgroundColor);
    }
    return found;
  };
  const name = (element) => `${element.localName}.${element.className}: ${element.textContent.trim().slice(0, 40)}`;

  const found = [];
  const hasWords = (element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    if (hasWords(element) && contrast(backgrounds(element), style.color) < 4.5) {
      found.push(`contrast of ${name(element)}`);
    }
    if (element.matches("input, select, textarea")) {
      const edge = contrast(backgrounds(element.parentElement), style.borderTopColor);
      if (!element.matches("[type=radio], [type=checkbox]") && edge < 3) found.push(`edge of ${name(element)}`);
    }
    if (element.matches("button, .button, summary, select, input, nav a, .help a, .tabs > label")) {
      const box = element.getBoundingClientRect();
      // The radio buttons of tabs lie unseen below their labels.
      if (!element.matches(".tabs > input") && Math.min(box.width, box.height) < 23.9) found.push(`size of ${name(element)}`);
    }
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (document.documentElement.scrollWidth > innerWidth) found.push("wider than the window");
  return found;
};
