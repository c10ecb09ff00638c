// The chapters of the deployment story: one per group of stages, in the order of the graph.
import React from 'react';

export const chapters = [
  {
    stage: 'foundation',
    kind: 'other',
    title: 'The plot: namespace and settings',
    objects: ['Namespace', 'ConfigMap', '3 Secrets'],
    text: <p>The namespace allows only pods that meet Pod Security’s strictest level. The settings are one ConfigMap. Passwords and keys are generated now, if the cluster does not have them already; from then on they are kept.</p>,
    settles: 'the namespace is active and the settings are written',
  },
  {
    stage: 'databases',
    kind: 'data',
    title: 'The ground: PostgreSQL and Redis',
    objects: ['2 StatefulSets of three pods', 'a volume for each pod', 'headless Services', 'a Service for the primary', '2 ConfigMaps'],
    text: <>
      <p>Both start at once; they know nothing of each other. <code>postgres-0</code> makes the cluster and the replication slots. <code>postgres-1</code> and <code>postgres-2</code> copy it in an init container and then stream every change. Redis starts as one master and two replicas.</p>
      <p>An empty <code>postgres-0</code> does not decide alone that this is the first start. It asks its replicas, and only when each of them says that it is empty too is a new database made. So a lost volume never turns into an empty forum beside replicas that still hold every thread: the pod refuses to start and says so.</p>
    </>,
    settles: 'both StatefulSets have three ready pods of the revision that was written',
  },
  {
    stage: 'sentinels',
    kind: 'data',
    title: 'The watch: three Sentinels',
    objects: ['StatefulSet of three pods', 'headless Service', 'ConfigMap', 'a volume for each pod'],
    text: <p>They ask the Redis nodes who is master now, not who was first. When the master goes, two of three must agree before a replica takes its place. A Sentinel’s readiness <em>is</em> that agreement, asked with <code>SENTINEL CKQUORUM</code>, so “ready” here means a failover could really happen.</p>,
    settles: 'three Sentinels report a quorum',
  },
  {
    stage: 'jobs',
    kind: 'job',
    title: 'The groundwork: three Jobs',
    objects: ['3 Jobs', 'volumes for static files, media and avatars'],
    text: <>
      <p><code>migrations-job</code> needs PostgreSQL and nothing else, so it runs beside the Sentinels. <code>collectstatic-job</code> needs no database at all and starts while PostgreSQL is still coming up. <code>create-superuser-job</code> follows the migrations; nobody waits for it but the end of the deploy.</p>
      <p>A Job that completed and has not changed is not run again at the next deploy.</p>
    </>,
    settles: 'each Job is Complete; a Failed one ends its branch at once',
  },
  {
    stage: 'application',
    kind: 'application',
    title: 'The forum: Django and Celery',
    objects: ['2 Deployments of three pods', 'Service for Django'],
    text: <p>Three web pods under gunicorn, three workers. Both wait for the migrated tables, for the static files and for the Sentinels. A web process that starts before the static files are there remembers an empty list of them and answers with errors from then on; one without the task queue loses notifications.</p>,
    settles: 'both Deployments have three updated and available pods, and no old one is left',
  },
  {
    stage: 'nginx',
    kind: 'front',
    title: 'The door: Nginx',
    objects: ['Deployment of three pods', 'ConfigMap', 'Service on port 80'],
    text: <p>Three pods serve static files and media straight from the volumes and pass the rest to Django. They stop politely: five seconds for the endpoints to learn of it, then the requests in flight are finished.</p>,
    settles: 'three pods are available and the front page, fetched through them, answers 200',
  },
  {
    stage: 'ingress',
    kind: 'front',
    title: 'The address: the Ingress',
    objects: ['Ingress'],
    text: <p>The last object of the forum is its Ingress. Traefik, which k3s brings along, gives it an address, and the forum answers at its host name.</p>,
    settles: 'the Ingress has an address',
  },
  {
    stage: 'website',
    kind: 'front',
    title: 'Beside it all: this website',
    objects: ['volume', 'Job', 'Deployment of three pods', 'ConfigMap', 'Service', 'Ingress'],
    text: <p>A Job copies these pages from an image into a volume, under a name made from their content, and then turns one link over in a single step, so nobody ever sees half a site. Nginx serves what the link points at. None of it waits for the forum.</p>,
    settles: 'the Job is Complete, three Nginx pods are available, the front page answers 200, and the Ingress has an address',
  },
];
