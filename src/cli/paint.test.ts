import { describe, expect, test } from 'vitest';
import { exitCodeOf } from './exit-code.ts';
import { paintTable, paintTree, printable } from './paint.ts';

describe('what people see', () => {
  test('a tree shows the reason and what would unblock it at each leaf', () => {
    const text = paintTree({
      subject: 'storefront@1.1.0 in production',
      effect: 'undetermined',
      reasons: [],
      children: [
        { subject: 'build', effect: 'allow', reasons: [{ code: 'build.succeeded', sentence: 'Built.' }], children: [] },
        {
          subject: 'gate approval',
          effect: 'undetermined',
          reasons: [{ code: 'approval.missing-role', sentence: 'Waiting for security.', remedy: 'Ask sam.' }],
          children: [],
        },
      ],
    });

    expect(text).toContain('├─ ');
    expect(text).toContain('Waiting for security.');
    expect(text).toContain('Ask sam.');
  });

  test('control characters in what others wrote are taken out', () => {
    expect(printable('red\u001b[31m and \u202eback')).toBe('red�[31m and �back');
    expect(paintTable(['a'], [['x\u0007']])).not.toContain('\u0007');
  });
});

test('a refusal’s status gives the documented exit code', () => {
  expect([400, 401, 403, 404, 409, 412, 422, 423, 428, 429, 503].map(exitCodeOf)).toEqual([2, 4, 1, 5, 1, 1, 2, 1, 2, 1, 1]);
});
