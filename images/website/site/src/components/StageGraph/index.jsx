// The DAG of the forum's stages as an inline SVG, drawn from data/stages.json: an edge runs
// from a stage to the one that needs it. Colours are the theme's, so it follows light and dark.
import React, {useId} from 'react';
import clsx from 'clsx';
import stages from '@site/src/data/stages.json';
import styles from './styles.module.css';

const NODE = {width: 142, height: 58};
const STEP = {x: 166, y: 118};
const MARGIN = {x: 20, y: 20};
const ARROW_GAP = 5;
const JOINT = {above: 32, corner: 10, shift: 36};

const KINDS = {
  databases: 'data',
  sentinels: 'data',
  jobs: 'job',
  application: 'application',
  nginx: 'front',
  ingress: 'front',
  website: 'front',
};

function corner({column, row}) {
  return {row, x: MARGIN.x + column * STEP.x, y: MARGIN.y + row * STEP.y};
}

function place(node) {
  const [group, name] = node.id.includes('/') ? node.id.split('/') : ['', node.id];
  return {...corner(node), id: node.id, group, name, kind: KINDS[group || name]};
}

const nodes = new Map(stages.nodes.map((node) => [node.id, place(node)]));
const addresses = stages.addresses.map((address) => ({...address, ...corner(address)}));

const bottom = (node) => ({x: node.x + NODE.width / 2, y: node.y + NODE.height});
const top = (node) => ({x: node.x + NODE.width / 2, y: node.y - ARROW_GAP});

function curve(start, end) {
  const bend = (end.y - start.y) * 0.6;
  return `M${start.x} ${start.y} C${start.x} ${start.y + bend} ${end.x} ${end.y - bend} ${end.x} ${end.y}`;
}

/** One edge: downwards as a curve, or sideways as a line between neighbours of one row. */
function edge(from, to) {
  const path = from.row === to.row
    ? `M${from.x + NODE.width} ${from.y + NODE.height / 2} H${to.x - ARROW_GAP}`
    : curve(bottom(from), top(to));
  return {path, row: to.row, pointed: true};
}

/** From a stage down to the joint's line and along it. */
function onto(need, point) {
  const start = bottom(need);
  const way = Math.sign(point.x - start.x);
  const x = start.x + way * JOINT.shift;
  return `M${x} ${start.y} V${point.y - JOINT.corner} Q${x} ${point.y} ${x + way * JOINT.corner} ${point.y} H${point.x}`;
}

/** Along the joint's line and down to a stage. */
function off(point, dependent) {
  const end = top(dependent);
  const way = Math.sign(end.x - point.x);
  return `M${point.x} ${point.y} H${end.x - way * JOINT.corner} Q${end.x} ${point.y} ${end.x} ${point.y + JOINT.corner} V${end.y}`;
}

/** Stages with the same several needs share a joint, so that three edges to each of two stay readable. */
function joint(needs, dependents) {
  const row = Math.min(...dependents.map((node) => node.row));
  const x = dependents.reduce((sum, node) => sum + top(node).x, 0) / dependents.length;
  const point = {x, y: Math.min(...dependents.map((node) => node.y)) - JOINT.above};
  return {
    point,
    row,
    edges: [
      ...needs.map((need) => ({path: onto(need, point), row, pointed: false})),
      ...dependents.map((dependent) => ({path: off(point, dependent), row, pointed: true})),
    ],
  };
}

function connect() {
  const together = new Map();
  for (const [dependent, needs] of Object.entries(stages.needs)) {
    const key = [...needs].sort().join(' ');
    together.set(key, [...(together.get(key) || []), nodes.get(dependent)]);
  }
  const edges = addresses.map((address) => edge(nodes.get(address.from), address));
  const joints = [];
  for (const [key, dependents] of together) {
    const needs = key.split(' ').map((id) => nodes.get(id));
    if (needs.length > 1 && dependents.length > 1) joints.push(joint(needs, dependents));
    else edges.push(...needs.flatMap((need) => dependents.map((dependent) => edge(need, dependent))));
  }
  return {edges: [...edges, ...joints.flatMap((each) => each.edges)], joints};
}

const {edges, joints} = connect();

function Node({node}) {
  const middle = node.x + NODE.width / 2;
  return (
    <g className={clsx(styles.node, styles[node.kind])} style={{'--row': node.row}}>
      <rect className={styles.plate} x={node.x} y={node.y} width={NODE.width} height={NODE.height} rx="13" />
      <rect className={styles.mark} x={node.x + 16} y={node.y - 1.5} width={NODE.width - 32} height="3" rx="1.5" />
      {node.group && <text className={styles.group} x={middle} y={node.y + 23}>{node.group}</text>}
      <text className={styles.name} x={middle} y={node.y + (node.group ? 43 : 35)}>{node.name}</text>
    </g>
  );
}

function Address({address}) {
  return (
    <g className={styles.address} style={{'--row': address.row + 1}}>
      <rect x={address.x} y={address.y} width={NODE.width} height={NODE.height} rx={NODE.height / 2} />
      <text x={address.x + NODE.width / 2} y={address.y + NODE.height / 2 + 5}>{address.text}</text>
    </g>
  );
}

/** Draws the graph; `animated` lets the stages settle one row after the other, once. */
export default function StageGraph({animated = false}) {
  const arrow = useId();
  const everything = [...nodes.values(), ...addresses];
  const width = Math.max(...everything.map(({x}) => x)) + NODE.width + MARGIN.x;
  const height = Math.max(...everything.map(({y}) => y)) + NODE.height + MARGIN.y;
  return (
    <svg
      className={clsx(styles.graph, animated && styles.animated)}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label="The stages of the forum: PostgreSQL leads to the migrations and these to the superuser; Redis leads to the sentinels; migrations, sentinels and collectstatic together lead to Django and to Celery; Django leads to Nginx, Nginx to the ingress, and that to the forum. Beside them the website: files, server, ingress."
    >
      <defs>
        <marker id={arrow} viewBox="0 0 10 10" refX="6" refY="5" markerWidth="7" markerHeight="7" orient="auto">
          <path className={styles.tip} d="M1 1 L9 5 L1 9 Z" />
        </marker>
      </defs>
      {edges.map(({path, row, pointed}) => (
        <path key={path} className={styles.edge} style={{'--row': row}} d={path} markerEnd={pointed ? `url(#${arrow})` : undefined} />
      ))}
      {joints.map(({point, row}) => (
        <circle key={`${point.x} ${point.y}`} className={styles.joint} style={{'--row': row}} cx={point.x} cy={point.y} r="5" />
      ))}
      {[...nodes.values()].map((node) => <Node key={node.id} node={node} />)}
      {addresses.map((address) => <Address key={address.text} address={address} />)}
    </svg>
  );
}
