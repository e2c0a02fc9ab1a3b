import tseslint from 'typescript-eslint';

/** One-way imports: what a folder must not import, and why. Paths are matched against the import as written. */
const rooms = [
  {
    files: ['workflows/**'],
    forbid: [
      '**/blocks/**',
      '**/platforms/**',
      '**/guest/**',
      '**/checks/**',
      '**/report/**',
      '**/exec/**',
      '**/cli/**',
      '**/config.js',
      '**/worker.js',
      'node:*',
      '@temporalio/activity',
      '@temporalio/client',
      '@temporalio/worker',
    ],
    message: 'workflows import only types, request schemas, the model and their own files',
    allowTypes: true,
  },
  {
    files: ['src/model/**', 'src/request/**', 'src/errors.ts'],
    forbid: [
      '**/blocks/**',
      '**/platforms/**',
      '**/guest/**',
      '**/checks/**',
      '**/report/**',
      '**/exec/**',
      '**/cli/**',
      '**/config.js',
      '**/worker.js',
      '**/workflows/**',
      '**/activities/**',
      'node:*',
      '@temporalio/*',
    ],
    message: 'model, request and errors stand alone: they are bundled into workflows',
  },
  {
    files: ['src/blocks/**'],
    forbid: [
      '**/platforms/**',
      '**/guest/**',
      '**/checks/**',
      '**/report/**',
      '**/cli/**',
      '**/config.js',
      '**/worker.js',
      '**/workflows/**',
      '**/activities/**',
      '@temporalio/*',
    ],
    message: 'the block engine knows no platform and no Temporal',
  },
  {
    files: ['src/checks/**'],
    forbid: [
      '**/blocks/**',
      '**/platforms/**',
      '**/guest/**',
      '**/report/**',
      '**/exec/**',
      '**/cli/**',
      '**/config.js',
      '**/worker.js',
      '**/workflows/**',
      '**/activities/**',
      'node:*',
      '@temporalio/*',
    ],
    message: 'checks know no platform and do no IO: what they judge is in the model and the request',
  },
  {
    files: ['src/platforms/**', 'src/guest/**', 'src/report/**', 'src/exec/**'],
    forbid: ['**/cli/**', '**/worker.js', '**/workflows/**', '**/activities/**', '@temporalio/*'],
    message: 'only activities, worker.ts and cli know Temporal',
  },
];

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'only config.ts reads the environment' },
      ],
      'no-restricted-imports': [
        'error',
        {
          paths: ['child_process', 'node:child_process', 'execa'].map((name) => ({
            name,
            message: 'processes start through src/exec',
          })),
        },
      ],
    },
  },
  { files: ['src/config.ts', 'lab/**', 'test/**', 'bench/**'], rules: { 'no-restricted-properties': 'off' } },
  // node:test returns promises that the runner itself awaits.
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', name: ['test', 'it', 'describe', 'suite'], package: 'node:test' },
          ],
        },
      ],
    },
  },
  { files: ['src/exec/**', 'test/**', 'bench/**'], rules: { 'no-restricted-imports': 'off' } },
  ...rooms.map(({ files, forbid, message, allowTypes }) => ({
    files,
    rules: {
      ...(allowTypes ? { 'no-restricted-imports': 'off' } : {}),
      [allowTypes ? '@typescript-eslint/no-restricted-imports' : 'no-restricted-imports']: [
        'error',
        {
          paths: files.includes('src/exec/**')
            ? []
            : ['child_process', 'node:child_process', 'execa'].map((name) => ({
                name,
                message: 'processes start through src/exec',
              })),
          patterns: [{ group: forbid, message, ...(allowTypes ? { allowTypeImports: true } : {}) }],
        },
      ],
    },
  })),
  { files: ['src/exec/**'], rules: { 'no-restricted-imports': 'off' } },
);
