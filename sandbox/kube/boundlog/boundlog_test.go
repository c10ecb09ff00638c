package boundlog

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBoundKeepsTheEndAndEmptiesTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	writer, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	write(t, writer, "0123456789")
	if err := bound(path, 10, 4); err != nil {
		t.Fatal(err)
	}
	expect(t, path+".1", "6789")
	write(t, writer, "next")
	expect(t, path, "next")
}

func TestBoundLeavesASmallLogAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("012345678"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bound(path, 10, 4); err != nil {
		t.Fatal(err)
	}
	expect(t, path, "012345678")
}

func TestBoundOfNoLogIsNoError(t *testing.T) {
	if err := bound(filepath.Join(t.TempDir(), "none"), 10, 4); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file *os.File, text string) {
	t.Helper()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Fatalf("%s holds %q (%v), want %q", path, got, err, want)
	}
}
