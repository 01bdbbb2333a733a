/** Small helpers for the document. What people say goes in as text, never as HTML. */

/** Returns an element that must be there. @param {ParentNode} root @param {string} selector @returns {HTMLElement} */
export function find(root, selector) {
  const element = root.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return element;
}

/** Changes a text only if it differs, so that screen readers announce it only once.
 * @param {Element} element @param {string} text */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Scrolls as little as is needed to see all of an element, at once for users who have asked for less motion.
 * @param {Element} element */
export function showWhole(element) {
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
  element.scrollIntoView({ block: "nearest", behavior });
}

/** Returns a new element. @param {string} tag @param {string} className @param {Element[]} [children] */
export function make(tag, className, children = []) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** Returns a new button. @param {string} className */
export function makeButton(className) {
  const button = make("button", className);
  button.setAttribute("type", "button");
  return button;
}

/** Brings a list to `count` children. @param {Element} list @param {number} count @param {() => Element} makeChild */
export function resize(list, count, makeChild) {
  while (list.children.length > count) list.lastElementChild?.remove();
  while (list.children.length < count) list.append(makeChild());
}

/** Returns whether a key is meant for something else: an open dialog, or an input method that composes a word.
 * @param {KeyboardEvent} event */
export function isForSomethingElse(event) {
  return event.isComposing || document.querySelector("dialog[open]") !== null;
}
