// Tests run from TypeScript; the programs that they start (fixtures, examples) run from dist/, which `npm test` builds first.
module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts', '<rootDir>/examples/**/*.test.ts'],
  // These have a configuration of their own.
  testPathIgnorePatterns: ['<rootDir>/test/package/'],
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.json' }] },
  moduleNameMapper: { '^forksnap$': '<rootDir>/src/index.ts', '^forksnap/(\\w+)$': '<rootDir>/src/$1.ts' },
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/build', '<rootDir>/.cache'],
  testSequencer: '<rootDir>/test/helpers/longest-first.js',
  maxWorkers: 2,
  testTimeout: 60000,
}
