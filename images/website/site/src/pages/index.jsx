// Home page: what Wesago is, the one command, what it keeps to, what runs afterwards.
import React from 'react';
import Layout from '@theme/Layout';
import Link from '@docusaurus/Link';
import CodeBlock from '@theme/CodeBlock';
import useDocusaurusContext from '@docusaurus/useDocusaurusContext';
import StageGraph from '@site/src/components/StageGraph';
import Icon from '@site/src/components/Icon';
import {commands, components, features} from '@site/src/data/home';
import stages from '@site/src/data/stages.json';
import styles from './index.module.css';

const stageCount = stages.nodes.length + stages.leftOut.length;

function Hero() {
  return (
    <header className={styles.hero}>
      <div className={`container ${styles.heroGrid}`}>
        <div>
          <p className="section__kicker">The university’s Misago forum, on Kubernetes</p>
          <h1 className={styles.title}>A whole forum, up in the right order.</h1>
          <p className={styles.lead}>Databases first, the address last, and side by side whatever can be. One program, <code>wesago</code>, writes each object when its turn has come and goes on when the cluster itself holds it ready.</p>
          <div className="actions">
            <Link className="action action--main" to="/docs/getting-started/">Get started on k3s</Link>
            <Link className="action" to="/story/">See how it comes up</Link>
          </div>
          <dl className={styles.facts}>
            <div><dt>1</dt><dd>binary, with plan and manifests inside</dd></div>
            <div><dt>{stageCount}</dt><dd>stages in one graph</dd></div>
            <div><dt>0</dt><dd>controllers left in the cluster</dd></div>
          </dl>
        </div>
        <div className={styles.graph}><StageGraph animated /></div>
      </div>
    </header>
  );
}

function Features() {
  return (
    <section className="section">
      <div className="container">
        <p className="section__kicker">What it keeps to</p>
        <h2 className="section__title">Fast where it can be, honest always</h2>
        <p className="section__lead">A rollout is a set of real dependencies and a set of claims about readiness. Wesago waits for the first and checks the second.</p>
        <div className="card-grid">
          {features.map(({icon, title, text}) => (
            <article key={title} className="plain-card">
              <span className={styles.icon}><Icon name={icon} /></span>
              <h3>{title}</h3>
              <p>{text}</p>
            </article>
          ))}
        </div>
      </div>
    </section>
  );
}

function Commands() {
  return (
    <section className="section section--tint">
      <div className={`container ${styles.split}`}>
        <div>
          <p className="section__kicker">Five commands</p>
          <h2 className="section__title">Nothing to install in the cluster, little to learn outside it</h2>
          <p className="section__lead">The state lives where it is true: in the cluster. The program reads a plan, does its work and ends with a documented exit code.</p>
          <div className="actions"><Link className="action" to="/docs/operations/">Day-to-day operations</Link></div>
        </div>
        <div className={styles.code}><CodeBlock language="bash" title="a terminal">{commands}</CodeBlock></div>
      </div>
    </section>
  );
}

function Components() {
  return (
    <section className="section">
      <div className="container">
        <p className="section__kicker">What runs afterwards</p>
        <h2 className="section__title">Three of everything that serves</h2>
        <p className="section__lead">Every pod runs as an ordinary user with a read-only root file system and no capabilities, under Pod Security’s strictest level.</p>
        <ul className={styles.components}>
          {components.map(({name, count, kind, text}) => (
            <li key={name} className={styles[kind]}>
              <span className={styles.count}>{count}</span>
              <div><h3>{name}</h3><p>{text}</p></div>
            </li>
          ))}
        </ul>
        <div className="actions"><Link className="action" to="/docs/architecture/">Architecture of the forum</Link></div>
      </div>
    </section>
  );
}

function Invitation() {
  return (
    <section className={styles.invitation}>
      <div className="container">
        <h2 className="section__title">You have a k3s machine? You have a forum.</h2>
        <p>Build or import two images, then one command. It ends by telling the address and how to read the administrator’s password.</p>
        <div className={`actions ${styles.centred}`}>
          <Link className="action action--main" to="/docs/getting-started/">Read the guide</Link>
          <Link className="action" to="/docs/faq/">Frequent questions</Link>
        </div>
      </div>
    </section>
  );
}

export default function Home() {
  const {siteConfig} = useDocusaurusContext();
  return (
    <Layout title="A forum that comes up in order" description={siteConfig.tagline}>
      <Hero />
      <main>
        <Features />
        <Commands />
        <Components />
        <Invitation />
      </main>
    </Layout>
  );
}
