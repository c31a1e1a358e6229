const Sequencer = require('@jest/test-sequencer').default

/** What takes minutes begins first: at the end one of the two workers would wait for it. The others stay in Jest's order. */
const LONG = [/crash-postgres/, /crash-file/, /server-crash/, /power\.test/, /crash-command/]

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const place = LONG.findIndex((long) => long.test(path))
      return place === -1 ? LONG.length : place
    }
    return super.sort(tests).sort((a, b) => rank(a) - rank(b))
  }
}
