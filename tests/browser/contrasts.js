/** The contrast of every visible text with what is behind it, as WCAG 2.2 defines it. */
() => {
  const rgba = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ground = (element) => {
    for (let behind = element; behind; behind = behind.parentElement) {
      const [r, g, b, alpha = 1] = rgba(getComputedStyle(behind).backgroundColor);
      if (alpha > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent.trim();
    if (!text || element.clientWidth === 1 || !element.checkVisibility({ visibilityProperty: true }) || element.closest("script, style")) continue;
    const [dark, light] = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))].sort((a, b) => a - b);
    found.push({ text: text.slice(0, 40), contrast: (light + 0.05) / (dark + 0.05) });
  }
  return found;
};
