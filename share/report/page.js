// Comfort only: everything the page says is there without it.
'use strict';

// Links to the sections, made from their headings so that they cannot disagree.
for (const heading of document.querySelectorAll('section > h2')) {
  const link = document.createElement('a');
  link.href = '#' + heading.parentElement.id;
  link.textContent = heading.textContent;
  document.querySelector('nav').append(link);
}

const sortValue = (row, column) => {
  const cell = row.cells[column];
  if (!cell.classList.contains('number')) return cell.textContent;
  return cell.dataset.sort === undefined ? NaN : Number(cell.dataset.sort);
};

// What was not measured stays last in either direction.
const compare = (a, b) => {
  if (typeof a === 'string') return a.localeCompare(b);
  return Number.isNaN(a) || Number.isNaN(b) ? 0 : a - b;
};

const sort = (table, header, column) => {
  const ascending = header.getAttribute('aria-sort') !== 'ascending';
  for (const other of header.parentElement.cells) other.removeAttribute('aria-sort');
  header.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
  const rows = [...table.tBodies[0].rows];
  const missing = row => Number.isNaN(sortValue(row, column));
  rows.sort((a, b) => missing(a) - missing(b) ||
                      (ascending ? 1 : -1) * compare(sortValue(a, column), sortValue(b, column)));
  table.tBodies[0].append(...rows);
};

for (const table of document.querySelectorAll('table.sortable')) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...header.childNodes);
    button.addEventListener('click', () => sort(table, header, column));
    header.append(button);
  });
}

// Pointing at an artifact anywhere shows it everywhere.
const light = trial => {
  for (const item of document.querySelectorAll('[data-trial]')) {
    const same = item.dataset.trial === trial;
    if (item.tagName === 'TR') item.classList.toggle('lit', trial !== undefined && same);
    else item.classList.toggle('dim', trial !== undefined && !same);
  }
};
for (const item of document.querySelectorAll('[data-trial]')) {
  item.addEventListener('pointerenter', () => light(item.dataset.trial));
  item.addEventListener('pointerleave', () => light(undefined));
}

// On paper nothing can be unfolded.
addEventListener('beforeprint', () => {
  for (const details of document.querySelectorAll('details')) details.open = true;
});
