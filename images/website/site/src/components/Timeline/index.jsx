// A measured deploy as horizontal bars over seconds; the figures live in data/measured-runs.json.
import React from 'react';
import clsx from 'clsx';
import styles from './styles.module.css';

const TICK_SECONDS = 10;

function Bar({bar, scale}) {
  const took = bar.end - bar.start;
  return (
    <div className={styles.row}>
      <span className={styles.label}>{bar.label}</span>
      <span className={styles.track}>
        <span
          className={clsx(styles.bar, styles[bar.kind])}
          style={{left: `${bar.start * scale}%`, width: `max(4px, ${took * scale}%)`}}
        />
      </span>
      <span className={styles.took}>{took.toFixed(1)} s</span>
    </div>
  );
}

/** Draws one measured run; `longest` is the time the full width stands for. */
export default function Timeline({run, longest}) {
  const scale = 100 / longest;
  const ticks = Array.from({length: Math.floor(longest / TICK_SECONDS) + 1}, (_, index) => index * TICK_SECONDS);
  return (
    <figure className={styles.timeline}>
      <figcaption>
        <strong>{run.title}</strong>
        <span className={styles.total}>{run.seconds.toFixed(1)} s</span>
      </figcaption>
      {run.bars.map((bar) => <Bar key={bar.label} bar={bar} scale={scale} />)}
      <div className={styles.row} aria-hidden="true">
        <span className={styles.label} />
        <span className={clsx(styles.track, styles.axis)}>
          {ticks.map((tick) => <span key={tick} style={{left: `${tick * scale}%`}}>{tick}</span>)}
        </span>
        <span className={styles.took}>seconds</span>
      </div>
      <p className={styles.note}>{run.note}</p>
    </figure>
  );
}
