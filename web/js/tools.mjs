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
