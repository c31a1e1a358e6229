/** For `import`: the names of the CommonJS build, which is the only one, so that there are never two of anything. */
export * from './index.js'
