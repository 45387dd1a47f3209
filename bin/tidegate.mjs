#!/usr/bin/env node
import { run } from '../scripts/run.mjs';

run('src/tidegate.ts', process.argv.slice(2));
