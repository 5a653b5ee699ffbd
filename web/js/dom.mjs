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
 * Put words where `data-word` and `data-help` name them, as text and as what is shown when pointed at.
 * @param {HTMLElement} root
 * @param {Record<string, string>} words
 */
export function speak(root, words) {
  for (const part of root.querySelectorAll("[data-word]")) {
    part.textContent = words[/** @type {HTMLElement} */ (part).dataset.word ?? ""]
  }
  for (const part of root.querySelectorAll("[data-help]")) {
    part.setAttribute("title", words[/** @type {HTMLElement} */ (part).dataset.help ?? ""])
  }
}

/** @param {Element} control @param {boolean} isPressed */
export const press = (control, isPressed) => control.setAttribute("aria-pressed", String(isPressed))

/** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height CSS pixels @param {number} density */
export function contextOf(canvas, width, height, density) {
  const [w, h] = [Math.round(width * density), Math.round(height * density)]
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h]
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"))
  context.setTransform(w / width, 0, 0, h / height, 0, 0)
  return context
}

/**
 * Have drags in an editor not move the graph; the middle button still does.
 * @param {import("./scope.mjs").Scope} scope
 * @param {HTMLElement} editor
 */
export function keepPointer(scope, editor) {
  for (const type of ["pointerdown", "pointermove", "pointerup", "dblclick"]) {
    scope.listen(editor, type, (event) => (event.button === 1 ? undefined : event.stopPropagation()))
  }
}

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
