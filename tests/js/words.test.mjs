import assert from "node:assert/strict"
import { readFileSync, readdirSync } from "node:fs"
import { test } from "node:test"
import { WORDS, fill } from "../../web/js/words.mjs"

const locales = new URL("../../locales/", import.meta.url)
const blanks = (text) => (text.match(/\{\w+\}/g) ?? []).sort()

test("every language has every word, with the same blanks", () => {
  const languages = readdirSync(locales)
  assert.ok(languages.length >= 7)
  for (const language of languages) {
    const known = JSON.parse(readFileSync(new URL(`${language}/main.json`, locales), "utf8")).animalLipSync
    assert.deepEqual(Object.keys(known).sort(), Object.keys(WORDS).sort(), language)
    for (const [part, texts] of Object.entries(WORDS)) {
      const words = known[part]
      assert.deepEqual(Object.keys(words).sort(), Object.keys(texts).sort(), `${language}.${part}`)
      for (const [name, text] of Object.entries(texts)) {
        assert.ok(words[name].trim(), `${language}.${part}.${name}`)
        assert.deepEqual(blanks(words[name]), blanks(text), `${language}.${part}.${name}`)
      }
    }
  }
})

test("blanks are filled", () => {
  assert.equal(fill("{a} and {b}", { a: 1, b: "two" }), "1 and two")
})
