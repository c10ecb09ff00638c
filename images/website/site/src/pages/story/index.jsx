// Deployment story: how the forum comes up, stage by stage, and how long a measured deploy took.
import React from 'react';
import clsx from 'clsx';
import Layout from '@theme/Layout';
import Link from '@docusaurus/Link';
import StageGraph from '@site/src/components/StageGraph';
import Timeline from '@site/src/components/Timeline';
import {chapters} from '@site/src/data/chapters';
import runs from '@site/src/data/measured-runs.json';
import styles from './story.module.css';

function Opening() {
  return (
    <header className={styles.opening}>
      <div className="container">
        <p className="section__kicker">Deployment story</p>
        <h1 className={styles.title}>From an empty namespace to the first post</h1>
        <p className="section__lead">
          Nobody presses a button between the stages. Each one writes its objects, watches them until the
          cluster holds them ready, and in the same instant whatever was waiting for it begins.
        </p>
      </div>
    </header>
  );
}

function Chapter({chapter, number}) {
  return (
    <li className={clsx(styles.chapter, styles[chapter.kind])}>
      <span className={styles.number} aria-hidden="true">{number}</span>
      <div className={styles.body}>
        <p className={styles.stage}>{chapter.stage}</p>
        <h2>{chapter.title}</h2>
        <ul className={styles.objects}>{chapter.objects.map((object) => <li key={object}>{object}</li>)}</ul>
        {chapter.text}
        <p className={styles.settles}><strong>Settles when</strong> {chapter.settles}.</p>
      </div>
    </li>
  );
}

function Measured() {
  const longest = Math.max(...runs.map((run) => run.seconds));
  return (
    <section className="section section--tint">
      <div className="container">
        <p className="section__kicker">Measured</p>
        <h2 className="section__title">Where the seconds go</h2>
        <p className="section__lead">
          Databases, migrations and the start of Python are the long pieces. Where they do not need each other,
          waiting for a whole group before the next one starts is time that a finer graph saves.
        </p>
        {runs.map((run) => <Timeline key={run.title} run={run} longest={longest} />)}
      </div>
    </section>
  );
}

function Graph() {
  return (
    <section className="section">
      <div className={clsx('container', styles.split)}>
        <StageGraph />
        <div>
          <p className="section__kicker">The graph behind it</p>
          <h2 className="section__title">Only real needs are edges</h2>
          <p className="section__lead">Migrations do not wait for Redis, nobody waits for the administrator’s account but the end, and the website does not wait for the forum. Foundation and volumes come before all of it and are left out of the picture.</p>
          <div className="actions">
            <Link className="action action--main" to="/docs/stages/">Stages and the DAG</Link>
            <Link className="action" to="/docs/getting-started/">Try it</Link>
          </div>
        </div>
      </div>
    </section>
  );
}

export default function Story() {
  return (
    <Layout title="Deployment story" description="How the forum comes up, stage by stage: databases, sentinels, jobs, application, Nginx, ingress, and the website beside them.">
      <Opening />
      <main>
        <div className="container">
          <ol className={styles.chapters}>
            {chapters.map((chapter, index) => <Chapter key={chapter.stage} chapter={chapter} number={index + 1} />)}
          </ol>
        </div>
        <Measured />
        <Graph />
      </main>
    </Layout>
  );
}
