import { routerContract } from '../../environments/router.contract.ts';
import { startRouterProcess } from './router-process.contract.ts';

routerContract('the embedded router', async () => startRouterProcess());
