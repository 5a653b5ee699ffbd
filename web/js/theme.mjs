// @ts-check
// The page's colours, for what is drawn and not laid out, and told anew when the artist changes them.

/**
 * @typedef {{text: string, faint: string, line: string, panel: string, accent: string, wave: string, dark: boolean}} Theme
 */

const STYLE = new URL("editors.css", import.meta.url).href

/** @param {string} url of a style sheet */
export function addStyle(url) {
  for (const href of [STYLE, url]) {
    if (document.querySelector(`link[href="${href}"]`)) continue
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href }))
  }
}

/** @param {Element} element @returns {Theme} */
export function themeOf(element) {
  const style = getComputedStyle(element.isConnected ? element : document.body)
  const colour = (/** @type {string} */ name, /** @type {string} */ fallback) =>
    style.getPropertyValue(name).trim() || fallback
  const text = colour("--input-text", "#ddd")
  const dark = lightness(text) > 0.5
  return {
    text,
    dark,
    faint: colour("--descrip-text", dark ? "#a0a4ab" : "#5b6068"),
    line: dark ? "rgba(255,255,255,.12)" : "rgba(0,0,0,.14)",
    panel: colour("--comfy-input-bg", dark ? "#222" : "#fff"),
    accent: dark ? "#5db2ff" : "#0969da",
    wave: dark ? "#7f93ab" : "#6b7f96",
  }
}

/**
 * Give an editor the accent of the page's theme, now and whenever that changes.
 * @param {import("./scope.mjs").Scope} scope
 * @param {HTMLElement} element
 * @param {(theme: Theme) => void} [told]
 */
export function followTheme(scope, element, told = () => {}) {
  const look = () => {
    const theme = themeOf(element)
    element.style.setProperty("--als-accent", theme.accent)
    element.style.setProperty("--als-on-accent", theme.dark ? "#08131f" : "#fff")
    told(theme)
  }
  const changes = new MutationObserver(look)
  for (const node of [document.documentElement, document.body]) {
    changes.observe(node, { attributes: true, attributeFilter: ["class", "style"] })
  }
  scope.onDispose(() => changes.disconnect())
  look()
}

/** @param {string} colour of the form #rgb, #rrggbb or rgb(...) */
function lightness(colour) {
  const hex = colour.replace("#", "")
  const wide = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex
  const parts = colour.startsWith("#")
    ? [0, 2, 4].map((at) => parseInt(wide.slice(at, at + 2), 16))
    : colour.match(/[\d.]+/g)?.map(Number)
  return parts ? (parts[0] + parts[1] + parts[2]) / 765 : 1
}
