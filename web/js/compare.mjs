// @ts-check
// Videos played in step, one over the other with a slider between them. Knows nothing of ComfyUI.
import { keepPointer, speak } from "./dom.mjs"
import { Scope } from "./scope.mjs"
import { addStyle, followTheme } from "./theme.mjs"
import { WORDS, fill } from "./words.mjs"

/** Seconds that the upper video may be off before it is set right. */
const DRIFT = 0.03
const LETTERS = "ABCDEFGH"

export class Compare {
  #scope = new Scope()
  #split = 0.5
  #parts
  /** @type {string[]} */
  #urls = []

  /** @param {HTMLElement} element an empty one */
  constructor(element) {
    this.element = element
    addStyle(new URL("compare.css", import.meta.url).href)
    this.#parts = build(element)
    this.#connect()
  }

  dispose() {
    this.show([])
    this.#scope.dispose()
  }

  /** @param {string[]} urls of the videos to compare */
  show(urls) {
    const { left, right, hear, notice, stage } = this.#parts
    const words = WORDS.compare
    this.#urls = urls
    for (const [index, choice] of [left, right].entries()) {
      choice.replaceChildren(...urls.map((_, i) => new Option(LETTERS[i], String(i))))
      choice.value = String(Math.min(index, urls.length - 1))
    }
    hear.replaceChildren(
      ...urls.map((_, i) => new Option(fill(words.hear, { letter: LETTERS[i] }), String(i))),
      new Option(words.silent, ""),
    )
    notice.hidden = urls.length > 0
    stage.classList.toggle("empty", !urls.length)
    this.#load()
  }

  #load() {
    const { below, above, left, right } = this.#parts
    const time = below.currentTime
    const wasPlaying = !below.paused
    for (const [video, choice] of /** @type {const} */ ([
      [below, right],
      [above, left],
    ])) {
      video.pause()
      const url = this.#urls[Number(choice.value)]
      if (url) video.src = url
      else video.removeAttribute("src")
      video.load()
      video.currentTime = time
    }
    this.#listen()
    if (wasPlaying) this.#play()
  }

  /** Let the chosen one be heard; one that is not shown cannot be. */
  #listen() {
    const { below, above, left, right, hear } = this.#parts
    above.muted = !hear.value || hear.value !== left.value
    below.muted = !above.muted || !hear.value || hear.value !== right.value
    for (const option of hear.options) option.disabled = !["", left.value, right.value].includes(option.value)
  }

  #play() {
    const { below, above } = this.#parts
    const end = Math.max(below.duration || 0, above.duration || 0)
    if (below.currentTime >= end - 0.05) this.#seek(0)
    for (const video of [below, above]) video.play().catch(() => {}) // paused or taken away before it began
    this.#follow()
  }

  #pause() {
    const { below, above } = this.#parts
    for (const video of [below, above]) video.pause()
    this.#seek(Math.max(below.currentTime, above.currentTime))
  }

  #toggle() {
    if (this.#isPlaying) this.#pause()
    else this.#play()
  }

  get #isPlaying() {
    return !this.#parts.below.paused || !this.#parts.above.paused
  }

  get #loops() {
    return this.#parts.loop.getAttribute("aria-pressed") === "true"
  }

  /** @param {number} time */
  #seek(time) {
    for (const video of [this.#parts.below, this.#parts.above]) {
      video.currentTime = Math.max(0, Math.min(time, (video.duration || 0) - 0.001))
    }
    this.#show()
  }

  /** Keep both in step while they play; the longer one leads. */
  #follow() {
    const { below, above } = this.#parts
    const step = () => {
      if (this.#scope.disposed) return
      const [leader, other] = (below.duration || 0) >= (above.duration || 0) ? [below, above] : [above, below]
      if (!other.ended && !other.seeking && Math.abs(other.currentTime - leader.currentTime) > DRIFT) {
        other.currentTime = Math.min(leader.currentTime, other.duration)
      }
      this.#show()
      if (leader.ended && this.#loops) (this.#seek(0), this.#play())
      else if (this.#isPlaying) requestAnimationFrame(step)
    }
    requestAnimationFrame(step)
  }

  #show() {
    const { below, above, play, time, at, handle } = this.#parts
    const duration = Math.max(below.duration || 0, above.duration || 0)
    const now = Math.max(below.currentTime, above.currentTime)
    time.max = String(duration)
    if (document.activeElement !== time || this.#isPlaying) time.value = String(now)
    at.textContent = `${now.toFixed(2)} / ${duration.toFixed(2)} s`
    play.textContent = this.#isPlaying ? `❚❚ ${WORDS.compare.pause}` : `▶ ${WORDS.compare.play}`
    above.style.clipPath = `inset(0 ${100 * (1 - this.#split)}% 0 0)`
    handle.style.left = `${100 * this.#split}%`
    handle.setAttribute("aria-valuenow", String(Math.round(100 * this.#split)))
  }

  #connect() {
    const scope = this.#scope
    const { stage, below, above, left, right, hear, play, loop, time, handle, speed } = this.#parts
    scope.listen(play, "click", () => this.#toggle())
    scope.listen(loop, "click", () => loop.setAttribute("aria-pressed", String(!this.#loops)))
    scope.listen(time, "input", () => this.#seek(Number(time.value)))
    for (const choice of [left, right]) scope.listen(choice, "change", () => this.#load())
    scope.listen(hear, "change", () => this.#listen())
    scope.listen(speed, "change", () => [below, above].forEach((video) => (video.playbackRate = Number(speed.value))))
    for (const video of [below, above]) {
      for (const type of ["loadedmetadata", "seeked", "pause", "ended"]) scope.listen(video, type, () => this.#show())
    }
    scope.listen(stage, "pointerdown", (event) => {
      if (event.button !== 0) return
      handle.focus({ preventScroll: true })
      const gesture = new Scope()
      const move = (/** @type {PointerEvent} */ { clientX }) => {
        const box = stage.getBoundingClientRect()
        this.#split = Math.min(1, Math.max(0, (clientX - box.left) / box.width))
        this.#show()
      }
      stage.setPointerCapture(event.pointerId)
      gesture.listen(stage, "pointermove", move)
      for (const type of ["pointerup", "pointercancel"]) gesture.listen(stage, type, () => gesture.dispose())
      move(event)
    })
    scope.listen(this.element, "keydown", (event) => {
      const work = this.#workOf(event)
      if (!work) return
      event.preventDefault()
      event.stopPropagation()
      work()
    })
    keepPointer(scope, this.element)
    followTheme(scope, this.element)
    this.#show()
  }

  /** @param {KeyboardEvent} event @returns {(() => void) | undefined} */
  #workOf({ key, shiftKey, target }) {
    const onHandle = target === this.#parts.handle
    if (target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && key !== " ")) return undefined
    if (target instanceof HTMLButtonElement && (key === " " || key === "Enter")) return undefined
    const slide = (/** @type {number} */ by) => () => {
      this.#split = Math.min(1, Math.max(0, this.#split + by * (shiftKey ? 0.1 : 0.01)))
      this.#show()
    }
    return {
      " ": () => this.#toggle(),
      ArrowLeft: onHandle ? slide(-1) : undefined,
      ArrowRight: onHandle ? slide(1) : undefined,
      ",": () => (this.#pause(), this.#seek(this.#parts.below.currentTime - 0.04)),
      ".": () => (this.#pause(), this.#seek(this.#parts.below.currentTime + 0.04)),
    }[key]
  }
}

/** @param {HTMLElement} element */
function build(element) {
  element.classList.add("als-panel", "animal-compare")
  element.innerHTML = `
    <div class="stage empty">
      <video class="below" playsinline muted preload="auto"></video>
      <video class="above" playsinline muted preload="auto"></video>
      <div class="handle" role="slider" tabindex="0" aria-valuemin="0" aria-valuemax="100" data-help="handleHelp"></div>
      <div class="notice" data-word="none"></div>
    </div>
    <input class="time" type="range" min="0" max="0" step="0.01" value="0">
    <div class="bar">
      <button type="button" class="play als-primary" data-help="playHelp"></button>
      <span class="at">0.00 / 0.00 s</span>
      <button type="button" class="loop" aria-pressed="true" data-word="loop"></button>
      <select class="speed">
        <option value="1">1×</option><option value="0.5">½×</option><option value="0.25">¼×</option>
      </select>
      <span class="gap"></span>
      <select class="left" data-help="left"></select>
      <select class="right" data-help="right"></select>
      <select class="hear" data-help="sound"></select>
    </div>`
  const words = WORDS.compare
  speak(element, words)
  /** @param {string} name */
  const part = (name) => /** @type {any} */ (element.querySelector(`.${name}`))
  const names = { handle: words.handle, time: words.time, speed: words.speed }
  const choices = { left: words.left, right: words.right, hear: words.sound }
  for (const [name, text] of Object.entries({ ...names, ...choices })) part(name).ariaLabel = text
  return {
    /** @type {HTMLElement} */ stage: part("stage"),
    /** @type {HTMLVideoElement} */ below: part("below"),
    /** @type {HTMLVideoElement} */ above: part("above"),
    /** @type {HTMLElement} */ handle: part("handle"),
    /** @type {HTMLElement} */ notice: part("notice"),
    /** @type {HTMLInputElement} */ time: part("time"),
    /** @type {HTMLButtonElement} */ play: part("play"),
    /** @type {HTMLElement} */ at: part("at"),
    /** @type {HTMLButtonElement} */ loop: part("loop"),
    /** @type {HTMLSelectElement} */ speed: part("speed"),
    /** @type {HTMLSelectElement} */ left: part("left"),
    /** @type {HTMLSelectElement} */ right: part("right"),
    /** @type {HTMLSelectElement} */ hear: part("hear"),
  }
}
