// @ts-check

/**
 * An element with attributes, "class" and "aria-*" included, and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) made.setAttribute(name, String(value))
  made.append(...children)
  return made
}

/** @param {string} tag @param {Record<string, unknown>} attributes @returns {SVGElement} */
export function drawing(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value))
  return made
}

/**
 * A button that the page's own shortcuts leave alone: it ignores keys typed into an input.
 * @param {string} sign what it shows
 * @param {string} name what it does; read aloud, and shown when pointed at
 * @param {Record<string, unknown>} [attributes]
 */
export const button = (sign, name, attributes = {}) =>
  element("input", { type: "button", value: sign, title: name, "aria-label": name, ...attributes })

/**
 * Have one call of `work` under way at a time; of those asked for meanwhile only the last is done.
 * @template T
 * @param {(question: T) => Promise<void>} work
 */
export function latestOnly(work) {
  let busy = false
  /** @type {{question: T} | null} */
  let waiting = null
  return async function ask(/** @type {T} */ question) {
    waiting = { question }
    if (busy) return
    busy = true
    while (waiting) {
      const next = waiting.question
      waiting = null
      await work(next)
    }
    busy = false
  }
}
