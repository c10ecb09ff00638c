// @ts-check
// The order in which a newcomer should read; every document is named here once.
/** @type {import('@docusaurus/plugin-content-docs').SidebarsConfig} */
export default {
  docs: [
    'introduction',
    'getting-started',
    {
      type: 'category',
      label: 'How it works',
      collapsed: false,
      items: ['plan-file', 'stages', 'readiness'],
    },
    {
      type: 'category',
      label: 'Running the forum',
      collapsed: false,
      items: ['operations', 'architecture'],
    },
    'faq',
  ],
};
