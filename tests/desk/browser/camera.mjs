// The camera of the tests: films made of public-domain photos, as Motion JPEG (JPEG files in a row), which
// Chromium plays as a camera. They are drawn by the browser itself, so nothing else is needed to make them.

import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const WIDTH = 1280;
const HEIGHT = 720;
// Different pictures of a film; each is shown for some frames of the camera's 30 a second.
const PICTURES = 8;
const FRAMES_EACH = 6;

// Where the face is in each photo, in pixels: centre and height from chin to hair. The photos are pinned by
// their digests (scripts/assets.json), so this does not change.
const FACES = {
  'obama2.jpg': { x: 420, y: 460, height: 400 },
  'obama3.jpg': { x: 760, y: 400, height: 480 },
  'biden.jpg': { x: 552, y: 290, height: 480 },
};

// What stands before the camera. Photos are shown by turns, and move a little, as people do.
export const FILMS = {
  good: { photos: ['obama2.jpg', 'obama3.jpg'] },
  other: { photos: ['biden.jpg'] },
  nobody: { photos: [] },
  dark: { photos: ['obama2.jpg', 'obama3.jpg'], filter: 'brightness(0.3)' },
  blurred: { photos: ['obama2.jpg', 'obama3.jpg'], filter: 'blur(9px)' },
  leaning: { photos: ['obama2.jpg', 'obama3.jpg'], turn: 0.5 },
  far: { photos: ['obama2.jpg', 'obama3.jpg'], size: 0.09 },
  covered: { photos: ['obama2.jpg', 'obama3.jpg'], cover: true },
  two: { photos: ['obama2.jpg', 'obama3.jpg'], beside: 'biden.jpg' },
};

// Draws one film and gives its pictures as base64. Runs in the browser.
async function draw({ film, photos, faces, width, height, pictures }) {
  const images = {};
  for (const [name, base64] of Object.entries(photos)) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    images[name] = await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }));
  }
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext('2d');
  const person = (name, middle, share, picture) => {
    const face = faces[name];
    const scale = ((height * share) / face.height) * (1 + 0.012 * Math.sin(picture));
    pen.save();
    pen.translate(middle + 5 * Math.cos(picture), height * 0.5 + 4 * Math.sin(2 * picture));
    pen.rotate((film.turn ?? 0) + 0.012 * Math.sin(picture));
    pen.scale(scale, scale);
    pen.drawImage(images[name], -face.x, -face.y);
    pen.restore();
  };
  const out = [];
  for (let picture = 0; picture < pictures; picture += 1) {
    const wall = pen.createLinearGradient(0, 0, width, height);
    wall.addColorStop(0, '#8f979f');
    wall.addColorStop(1, '#b9bec4');
    pen.filter = 'none';
    pen.fillStyle = wall;
    pen.fillRect(0, 0, width, height);
    pen.filter = film.filter ?? 'none';
    if (film.photos.length > 0) {
      const size = film.size ?? 0.42;
      const middle = film.beside ? width * 0.3 : width * 0.5;
      person(film.photos[picture % film.photos.length], middle, size, picture);
      if (film.beside) {
        // Only the right half, so that no photo hides the other.
        pen.save();
        pen.beginPath();
        pen.rect(width * 0.5, 0, width * 0.5, height);
        pen.clip();
        person(film.beside, width * 0.75, size, picture + 1);
        pen.restore();
      }
      if (film.cover) {
        pen.fillStyle = '#4a6a8a';
        pen.fillRect(width * 0.5 - 140, height * 0.5, 280, height * 0.24);
      }
    }
    const jpeg = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.92 });
    const bytes = new Uint8Array(await jpeg.arrayBuffer());
    let text = '';
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    out.push(btoa(text));
  }
  return out;
}

// Makes all films in `folder` and a still picture of each. Returns the camera: `show(name)` puts a film
// before it, which counts from the next time that a page opens the camera.
export async function makeCamera(browser, photosFolder, folder) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const stills = {};
  for (const [name, film] of Object.entries(FILMS)) {
    const photos = {};
    for (const photo of [...film.photos, ...(film.beside ? [film.beside] : [])]) {
      photos[photo] = (await readFile(join(photosFolder, photo))).toString('base64');
    }
    const pictures = (
      await page.evaluate(draw, { film, photos, faces: FACES, width: WIDTH, height: HEIGHT, pictures: PICTURES })
    ).map((picture) => Buffer.from(picture, 'base64'));
    await writeFile(join(folder, `${name}.mjpeg`), Buffer.concat(pictures.flatMap((p) => Array(FRAMES_EACH).fill(p))));
    stills[name] = pictures.slice(0, 3);
  }
  await context.close();
  return {
    // Encoded pictures of a film, for uploads.
    stills: (name) => stills[name],
    async show(name) {
      await writeFile(join(folder, 'next'), await readFile(join(folder, `${name}.mjpeg`)));
      await rename(join(folder, 'next'), join(folder, 'camera.mjpeg'));
    },
  };
}
