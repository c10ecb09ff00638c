// Words of the home page. Each claim is a promise of the program's design or a fact of the manifests.

export const features = [
  {
    icon: 'order',
    title: 'Order without waste',
    text: 'A stage starts the moment its last need has settled. Stages that need nothing of each other run side by side, so a deploy takes as long as its longest real chain.',
  },
  {
    icon: 'truth',
    title: 'Ready means ready',
    text: 'A stage has succeeded only when the API server itself holds every object current, at the generation that was written or a later one, and every Job has completed.',
  },
  {
    icon: 'light',
    title: 'A cause, not a timeout',
    text: 'When a stage fails, only what depends on it is cancelled. Each stage has a deadline, and the report names what was still missing and why.',
  },
  {
    icon: 'again',
    title: 'Twice is nothing',
    text: 'Deploying again without a change writes no object and runs no Job again. After an interruption, the same command goes on from where the cluster stands.',
  },
  {
    icon: 'data',
    title: 'Data stays',
    text: 'Teardown goes in reverse order and keeps the volumes and the generated secrets, unless --delete-data says otherwise. The next deploy finds the threads again.',
  },
  {
    icon: 'secret',
    title: 'Secrets never shown',
    text: 'Passwords are generated once, kept in the cluster and never printed: not in the output, not in an error, not in the list of processes.',
  },
];

export const commands = `# write, wait, settle, in the order of the graph
wesago deploy   --context k3s

# a table by stage: object, state, reason, age
wesago status   --context k3s

# remove in reverse order; the data stays
wesago teardown --context k3s

# what would be sent, and the graph as text or DOT
wesago render
wesago graph`;

export const components = [
  {name: 'Django', count: '3', kind: 'application', text: 'Misago under gunicorn: pages, posts, uploads.'},
  {name: 'Celery', count: '3', kind: 'application', text: 'Workers for notifications and themes.'},
  {name: 'Nginx', count: '3', kind: 'front', text: 'Static files and media from volumes, the rest passed on.'},
  {name: 'PostgreSQL', count: '1 + 2', kind: 'data', text: 'One primary, two streaming replicas, a volume each.'},
  {name: 'Redis', count: '3', kind: 'data', text: 'Cache and task queue: one master, two replicas.'},
  {name: 'Sentinel', count: '3', kind: 'data', text: 'Two of three agree on a new Redis master.'},
  {name: 'Jobs', count: '3', kind: 'job', text: 'Migrations, static files, the administrator’s account.'},
  {name: 'Website', count: '3', kind: 'front', text: 'This site, copied to a volume by a Job, served by Nginx.'},
];
