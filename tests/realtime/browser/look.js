/** What can be measured of the page's look: each visible text's contrast (WCAG 2.2), and what is cut off. */
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
  const texts = [];
  const outside = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim().slice(0, 40);
    const forEyes = element.checkVisibility({ visibilityProperty: true }) && element.clientWidth !== 1;
    if (!text || !forEyes || element.closest("script, style")) continue;
    const shades = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))].sort((a, b) => a - b);
    texts.push({ text, contrast: (shades[1] + 0.05) / (shades[0] + 0.05) });
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const frame = element.closest("button, [data-part], .vb-card, .vb-words") ?? document.body;
    const [inner, outer] = [range.getBoundingClientRect(), frame.getBoundingClientRect()];
    const edges = { left: Math.max(0, outer.left), right: Math.min(innerWidth, outer.right) };
    if (inner.left < edges.left - 1 || inner.right > edges.right + 1) outside.push(text);
  }
  return { texts, outside };
};
