import { parentPort } from 'node:worker_threads';
import { play, type Contest } from './contestants.ts';

/** One core of a simulation: plays what it is sent and answers with the outcomes. */
parentPort?.on('message', (contest: Contest) => {
  parentPort?.postMessage(play(contest), []);
});
