/** The few things done to the document again and again. What people say goes in as text, never as HTML. */

/** The element that must be there. @param {ParentNode} root @param {string} selector @returns {HTMLElement} */
export function find(root, selector) {
  const element = root.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`the page has no ${selector}`);
  return element;
}

/** Changes a text only if it differs, so that screen readers are told only once.
 * @param {Element} element @param {string} text */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A new element. @param {string} tag @param {string} className @param {Element[]} [children] */
export function make(tag, className, children = []) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** Brings a list to `count` children. @param {Element} list @param {number} count @param {() => Element} makeChild */
export function resize(list, count, makeChild) {
  while (list.children.length > count) list.lastElementChild?.remove();
  while (list.children.length < count) list.append(makeChild());
}

/** Whether a key is meant for what lies over the page: a dialog, or the choice of letters for a word.
 * @param {KeyboardEvent} event */
export function isElsewhere(event) {
  return event.isComposing || document.querySelector("dialog[open]") !== null;
}
