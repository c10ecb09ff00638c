// Small line icons of our own, drawn with the text's colour.
import React from 'react';

const SHAPES = {
  order: <><circle cx="5" cy="6" r="2.4" /><circle cx="5" cy="18" r="2.4" /><circle cx="19" cy="12" r="2.4" /><path d="M7.4 6 C13 6 11 12 16.6 12 M7.4 18 C13 18 11 12 16.6 12" /></>,
  truth: <><path d="M12 3 L20 6 V11 C20 16 16.5 19.5 12 21 C7.5 19.5 4 16 4 11 V6 Z" /><path d="M8.5 12 L11 14.5 L15.5 9.5" /></>,
  light: <><path d="M4 7 H20 M4 12 H14 M4 17 H10" /><path d="M17 15 L20 18 L17 21" /></>,
  again: <><path d="M19 12 A7 7 0 1 1 16.5 6.6" /><path d="M17 2.8 V7 H12.8" /></>,
  data: <><ellipse cx="12" cy="6" rx="7" ry="3" /><path d="M5 6 V18 C5 19.7 8.1 21 12 21 C15.9 21 19 19.7 19 18 V6 M5 12 C5 13.7 8.1 15 12 15 C15.9 15 19 13.7 19 12" /></>,
  secret: <><rect x="5" y="11" width="14" height="9" rx="2" /><path d="M8 11 V8 A4 4 0 0 1 16 8 V11 M12 14.5 V16.5" /></>,
};

/** Draws the icon `name`; it says nothing the text beside it does not. */
export default function Icon({name}) {
  return (
    <svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      {SHAPES[name]}
    </svg>
  );
}
