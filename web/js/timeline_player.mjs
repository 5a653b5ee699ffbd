// @ts-check
// The voice in the browser: playing, looping, scrubbing, and its peaks.
import { peaksOf } from "./timeline_layout.mjs"

/** @typedef {import("./scope.mjs").Scope} Scope */

const PEAKS_PER_SECOND = 200
const DECODED_RATE = 8000 // Hz; enough for peaks, and ten minutes stay small
const SCRUB_MILLISECONDS = 90

/** Length and peaks of a sound file. @param {string} url @param {AbortSignal} signal */
export async function decode(url, signal) {
  const answer = await fetch(url, { signal })
  if (answer.status === 404) throw new MissingFile()
  const bytes = await answer.arrayBuffer()
  const sound = await new OfflineAudioContext(1, 1, DECODED_RATE).decodeAudioData(bytes)
  const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index))
  return { duration: sound.duration, peaks: peaksOf(channels, DECODED_RATE, PEAKS_PER_SECOND) }
}

export class MissingFile extends Error {}

export class Player {
  #audio = new Audio()
  #time = 0
  #scrubbing = 0
  /** @type {{start: number, end: number} | null} */
  loop = null

  /** @param {Scope} scope @param {() => void} onChange played, paused or ended */
  constructor(scope, onChange) {
    this.#audio.preload = "auto"
    for (const type of ["play", "pause", "ended"]) scope.listen(this.#audio, type, onChange)
    scope.onDispose(() => this.load(""))
  }

  /** @param {string} url "" for none */
  load(url) {
    this.pause()
    if (url) this.#audio.src = url
    else this.#audio.removeAttribute("src")
    this.#audio.load()
  }

  get isPlaying() {
    return !this.#audio.paused && !this.#scrubbing
  }

  /** Seconds; while it plays, where it is. */
  get time() {
    if (!this.isPlaying) return this.#time
    const { loop } = this
    if (loop && (this.#audio.currentTime >= loop.end || this.#audio.currentTime < loop.start - 0.05)) {
      this.#audio.currentTime = loop.start
    }
    return (this.#time = this.#audio.currentTime)
  }

  set time(seconds) {
    this.#time = seconds
    if (this.isPlaying) this.#audio.currentTime = seconds
  }

  async play() {
    this.#endScrub()
    const { loop } = this
    const ended = this.#time >= this.#audio.duration - 0.02
    const isOutside = loop && (this.#time < loop.start || this.#time >= loop.end - 0.02)
    if (isOutside || ended) this.#time = loop?.start ?? 0
    this.#audio.currentTime = this.#time
    await this.#audio.play().catch(() => {}) // it was paused or taken away before it began
  }

  pause() {
    this.#endScrub()
    this.#time = this.time
    this.#audio.pause()
  }

  /** Go to a time and let a moment of it be heard. @param {number} seconds */
  scrub(seconds) {
    const wasPlaying = this.isPlaying
    this.time = seconds
    if (wasPlaying || !this.#audio.src) return
    if (this.#scrubbing) clearTimeout(this.#scrubbing)
    else this.#audio.play().catch(() => {})
    this.#scrubbing = window.setTimeout(() => {
      this.#audio.pause()
      this.#scrubbing = 0
    }, SCRUB_MILLISECONDS)
    this.#audio.currentTime = seconds
  }

  #endScrub() {
    if (!this.#scrubbing) return
    clearTimeout(this.#scrubbing)
    this.#scrubbing = 0
    this.#audio.pause()
  }
}
