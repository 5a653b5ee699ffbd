// @ts-check
import { button, element } from "./dom.mjs"
import { icon } from "./icons.mjs"

/**
 * A button with an icon. Pressed state, name and whether it is enabled are those of the input that is given back; its
 * parent is what to put on the page.
 * @param {import("./scope.mjs").Scope} scope
 * @param {Parameters<typeof icon>[0]} name
 * @param {string} title
 * @param {() => void} act
 */
export function tool(scope, name, title, act) {
  const press = button("", title, { class: "als-press" })
  element("span", { class: `als-tool als-tool-${name}` }, icon(name), press)
  scope.listen(press, "click", act)
  return press
}

/**
 * Tools to magnify what a stage shows.
 * @param {import("./scope.mjs").Scope} scope
 * @param {import("./stage.mjs").Stage} stage
 * @param {typeof import("./words.mjs").WORDS.faces} words
 */
export const zoomTools = (scope, stage, words) => ({
  zoomOut: tool(scope, "zoomOut", words.zoomOut, () => stage.zoom(1 / 1.5)),
  zoomIn: tool(scope, "zoomIn", words.zoomIn, () => stage.zoom(1.5)),
  fit: tool(scope, "fit", words.fit, () => stage.fit()),
})

/**
 * Have Ctrl+Z and Ctrl+Y go through the states of an editor and not of the graph.
 * @param {import("./scope.mjs").Scope} scope
 * @param {HTMLElement} editor
 * @param {(isRedo: boolean) => void} undo
 */
export function listenToUndo(scope, editor, undo) {
  scope.listen(editor, "keydown", (event) => {
    const key = event.key.toLowerCase()
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.target instanceof HTMLTextAreaElement) return
    if (key !== "z" && key !== "y") return
    event.preventDefault()
    event.stopPropagation()
    undo(key === "y" || event.shiftKey)
  })
}

/** A row of tools, in groups. @param {HTMLInputElement[][]} groups */
export function toolbar(...groups) {
  const bar = element("div", { class: "als-bar", role: "toolbar" })
  groups.forEach((group, i) => {
    if (i) bar.append(element("span", { class: "als-gap" }))
    bar.append(...group.map((press) => /** @type {Node} */ (press.parentElement)))
  })
  return bar
}

/**
 * Move an editor into a dialog as large as the window, or back to where it was.
 * @param {import("./scope.mjs").Scope} scope
 * @param {HTMLElement} editor
 * @param {string} title
 */
export function toggleLargeView(scope, editor, title) {
  const open = editor.closest("dialog")
  if (open) return open.close()
  const place = document.createComment("")
  editor.before(place)
  const dialog = element("dialog", { class: "als-dialog", "aria-label": title })
  dialog.append(editor)
  document.body.append(dialog)
  dialog.addEventListener("close", () => {
    place.replaceWith(editor)
    dialog.remove()
  })
  scope.onDispose(() => dialog.remove())
  dialog.showModal()
}
