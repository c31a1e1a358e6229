import js from '@eslint/js'
import tseslint from 'typescript-eslint'
import prettier from 'eslint-config-prettier'

const NODE_GLOBALS = (
  'console process Buffer URL performance structuredClone AbortController AbortSignal queueMicrotask ' +
  'setTimeout clearTimeout setInterval clearInterval setImmediate clearImmediate'
).split(' ')
const COMMONJS_GLOBALS = ['require', 'module', 'exports', '__dirname', '__filename']

function globals(names) {
  return Object.fromEntries(names.map((name) => [name, name === 'module' ? 'writable' : 'readonly']))
}

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'build-*/', 'coverage/', '.cache/', 'data/', 'bench/results/', 'bench-report/'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked.map((config) => ({ ...config, files: ['**/*.ts', '**/*.mts'] })),
  {
    files: ['**/*.ts', '**/*.mts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': 'off',
    },
  },
  {
    // Jest's asymmetric matchers (`expect.objectContaining`) are typed `any`.
    files: ['**/*.test.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
  {
    // The one file that loads the addon, which is a CommonJS module found at run time.
    files: ['src/binding.ts'],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: globals([...NODE_GLOBALS, ...COMMONJS_GLOBALS]) },
  },
  {
    // What runs in a browser.
    files: ['examples/exchange/status/page/*.js'],
    languageOptions: { sourceType: 'script', globals: globals(['document', 'fetch']) },
  },
  { files: ['**/*.mjs'], languageOptions: { globals: globals(NODE_GLOBALS) } },
  prettier,
)
