import type { ArgoVerdict } from '../foreign/argo.ts';
import type { FlaggerVerdict } from '../foreign/flagger.ts';
import type { KayentaAnswer } from './kayenta-cases.ts';

/** What an answer means for a pipeline: go on, take it back, or neither. */
export type Standing = 'good' | 'bad' | 'undecided';

export function kayentaStanding(answer: KayentaAnswer): Standing {
  const standings: Readonly<Record<KayentaAnswer['classification'], Standing>> = {
    Pass: 'good',
    Marginal: 'undecided',
    Nodata: 'undecided',
    Error: 'undecided',
    High: 'bad',
    Low: 'bad',
    NodataFailMetric: 'bad',
    Fail: 'bad',
  };
  return 'critical' in answer && answer.critical ? 'bad' : standings[answer.classification];
}

export function argoStanding({ action }: ArgoVerdict): Standing {
  return ({ abort: 'bad', pause: 'undecided', wait: 'undecided', advance: 'good' } as const)[action];
}

export function flaggerStanding({ phase }: FlaggerVerdict): Standing {
  return ({ Failed: 'bad', Progressing: 'undecided', Promoting: 'good' } as const)[phase];
}
