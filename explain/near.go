package explain

import (
	"slices"
	"strings"
)

// Nearest is the name that somebody may have meant by name, "" if none is near: at most
// a third of its letters are other ones, left out, too many, or have changed places; or
// one of the two begins with the other.
func Nearest(name string, among []string) string {
	best, least := "", len(name)/3+1
	for _, other := range slices.Sorted(slices.Values(among)) {
		if other == name || other == "" {
			continue
		}
		d := distance(strings.ToLower(name), strings.ToLower(other))
		if d < least || d == least && best == "" {
			best, least = other, d
		}
	}
	if best != "" || len(name) < 3 {
		return best
	}
	for _, other := range slices.Sorted(slices.Values(among)) {
		if len(other) >= 3 && other != name && (strings.HasPrefix(other, name) || strings.HasPrefix(name, other)) {
			return other
		}
	}
	return ""
}

// distance counts the edits from a to b (Damerau-Levenshtein, neighbours only).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 300 || len(y) > 300 { // no name is so long
		return 300
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// didYouMean is a clause with the nearest name, "" if none is near.
func didYouMean(name string, among []string) string {
	if near := Nearest(name, among); near != "" {
		return " (did you mean \"" + near + "\"?)"
	}
	return ""
}
