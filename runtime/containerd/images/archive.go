package images

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// files are what an archive or a folder holds, by slash-separated name.
type files map[string]blob

func (in files) get(name string) (blob, error) {
	b, ok := in[path.Clean(name)]
	if !ok {
		return b, fmt.Errorf("lacks %s; save the image again", name)
	}
	return b, nil
}

func (s *Set) load(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return plain(err)
	}
	var in files
	if info.IsDir() {
		in, err = folder(file)
	} else {
		in, err = archive(file, info.Size())
	}
	if err != nil {
		return err
	}
	named := 0
	if _, ok := in["index.json"]; ok {
		if named, err = s.loadLayout(file, in); err != nil {
			return err
		}
	}
	if _, ok := in["manifest.json"]; ok && named == 0 {
		if named, err = s.loadDocker(file, in); err != nil {
			return err
		}
	}
	switch {
	case named > 0:
		return nil
	case in["index.json"].path != "" || in["manifest.json"].path != "":
		return errors.New("holds images without a name, so no pod could ask for one; save it by its name, as in `docker save busybox:1.36`")
	case info.IsDir():
		return errors.New("has no index.json; want an OCI layout folder")
	}
	return errors.New("has neither index.json nor manifest.json; want an archive made by `docker save`, skopeo, crane or the like")
}

// plain leaves out of an error what the caller says already.
func plain(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func folder(dir string) (files, error) {
	in := files{}
	err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		in[filepath.ToSlash(rel)] = blob{path: file, size: info.Size()}
		return nil
	})
	return in, err
}

// archive notes where in a tar file each member lies. The members are read
// from there later, so nothing is unpacked and nothing is held.
func archive(file string, size int64) (_ files, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, plain(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var magic [2]byte
	if n, err := f.ReadAt(magic[:], 0); n < len(magic) {
		return nil, fmt.Errorf("is no image archive: %d bytes (%w)", n, err)
	}
	if magic == [2]byte{0x1f, 0x8b} {
		return nil, errors.New("is compressed; unpack it with gunzip first")
	}
	in, links := files{}, map[string]string{}
	last := ""
	for tr := tar.NewReader(f); ; {
		header, err := tr.Next()
		switch {
		case err == io.EOF:
			for from, to := range links {
				if b, ok := in[to]; ok {
					in[from] = b
				}
			}
			return in, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, cutShort(last)
		case err != nil:
			return nil, fmt.Errorf("is no image archive: %w", err)
		}
		last = path.Clean(header.Name)
		switch header.Typeflag {
		case tar.TypeReg:
			// The reader takes whole headers and no more: the file now stands at the data.
			offset, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			if offset+header.Size > size {
				return nil, cutShort(last)
			}
			in[last] = blob{path: file, offset: offset, size: header.Size}
		case tar.TypeSymlink: // older docker writes a layer once and links to it
			links[last] = path.Join(path.Dir(last), header.Linkname)
		case tar.TypeLink:
			links[last] = path.Clean(strings.TrimPrefix(header.Linkname, "/"))
		}
	}
}

func cutShort(last string) error {
	return fmt.Errorf("is cut short, in or after %q; copy or save it again", last)
}
