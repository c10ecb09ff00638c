// @ts-check
// The site's one configuration: addresses, navigation, theme. It has no analytics and
// names no host but the two it is built for, which are build arguments of the image.
import {themes} from 'prism-react-renderer';

const siteUrl = process.env.WESAGO_SITE_URL || 'http://wesago-website.k3s';
const forumUrl = process.env.WESAGO_FORUM_URL || 'http://wesago.k3s';

/** @type {import('@docusaurus/types').Config} */
const config = {
  title: 'Wesago',
  tagline: 'The forum of a university, deployed in order, with the truth about every stage',
  favicon: 'img/favicon.svg',
  url: siteUrl,
  baseUrl: '/',
  trailingSlash: true,

  onBrokenLinks: 'throw',
  onBrokenAnchors: 'throw',
  onDuplicateRoutes: 'throw',
  markdown: {
    hooks: {onBrokenMarkdownLinks: 'throw', onBrokenMarkdownImages: 'throw'},
  },

  i18n: {defaultLocale: 'en', locales: ['en']},
  customFields: {forumUrl},

  presets: [
    [
      'classic',
      /** @type {import('@docusaurus/preset-classic').Options} */
      ({
        docs: {sidebarPath: './sidebars.js'},
        blog: false,
        theme: {customCss: ['./src/css/theme.css', './src/css/page.css']},
      }),
    ],
  ],

  themeConfig:
    /** @type {import('@docusaurus/preset-classic').ThemeConfig} */
    ({
      colorMode: {respectPrefersColorScheme: true},
      navbar: {
        title: 'Wesago',
        hideOnScroll: true,
        logo: {alt: '', src: 'img/logo.svg', width: 32, height: 32},
        items: [
          {type: 'docSidebar', sidebarId: 'docs', position: 'left', label: 'Docs'},
          {to: '/story/', position: 'left', label: 'Deployment story'},
          {to: '/docs/faq/', position: 'left', label: 'FAQ'},
          {href: `${forumUrl}/`, position: 'right', label: 'Open the forum', className: 'navbar-forum'},
        ],
      },
      footer: {
        links: [
          {
            title: 'Start',
            items: [
              {label: 'What Wesago is', to: '/docs/'},
              {label: 'Getting started on k3s', to: '/docs/getting-started/'},
              {label: 'Deployment story', to: '/story/'},
            ],
          },
          {
            title: 'Understand',
            items: [
              {label: 'The plan file', to: '/docs/plan-file/'},
              {label: 'Stages and the DAG', to: '/docs/stages/'},
              {label: 'Readiness and truth', to: '/docs/readiness/'},
            ],
          },
          {
            title: 'Run',
            items: [
              {label: 'Operations', to: '/docs/operations/'},
              {label: 'Architecture of the forum', to: '/docs/architecture/'},
              {label: 'FAQ', to: '/docs/faq/'},
            ],
          },
        ],
        copyright: 'This site is one of the stages Wesago deploys. No cookies, no analytics, no requests to anybody else.',
      },
      prism: {
        theme: themes.oneLight,
        darkTheme: themes.oneDark,
        additionalLanguages: ['bash', 'yaml', 'json'],
      },
    }),
};

export default config;
