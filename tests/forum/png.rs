//! A freshly made picture with random pixels: what comes back byte for byte can only be what was sent.
//! Written by hand, since an uncompressed PNG is three chunks and two checksums.

/// Longest block of data that deflate stores uncompressed.
const LONGEST_STORED_BLOCK: usize = 65_535;

/// Returns a valid PNG of random pixels, eight bits of red, green and blue each.
pub(crate) fn random(width: u16, height: u16) -> Vec<u8> {
    let line_length = 1 + 3 * usize::from(width);
    let mut pixels = vec![0; line_length * usize::from(height)];
    getrandom::fill(&mut pixels).expect("the operating system gives random bytes");
    // Each line begins with its filter: 0 is none.
    pixels.iter_mut().step_by(line_length).for_each(|filter| *filter = 0);
    let mut header = Vec::new();
    header.extend(u32::from(width).to_be_bytes());
    header.extend(u32::from(height).to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(chunk(*b"IHDR", &header));
    png.extend(chunk(*b"IDAT", &stored_zlib(&pixels)));
    png.extend(chunk(*b"IEND", &[]));
    png
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = u32::try_from(data.len()).expect("a small picture").to_be_bytes().to_vec();
    chunk.extend(kind);
    chunk.extend(data);
    chunk.extend(crc32(&chunk[4..]).to_be_bytes());
    chunk
}

/// Returns a zlib stream (RFC 1950) that stores the data uncompressed.
fn stored_zlib(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = data.chunks(LONGEST_STORED_BLOCK).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("no longer than LONGEST_STORED_BLOCK");
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (low, high) = data.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    (high << 16) | low
}

#[test]
fn checksums_are_the_published_ones() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
}
