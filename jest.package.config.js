// The tests of the packed package, which take what `npm run prebuilds` has made: npm run test:package
module.exports = {
  ...require('./jest.config.js'),
  testMatch: ['<rootDir>/test/package/*.test.ts'],
  testPathIgnorePatterns: [],
}
