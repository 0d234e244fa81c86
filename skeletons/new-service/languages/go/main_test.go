package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEndpoints(t *testing.T) {
	for path, want := range map[string]string{
		"/":       `{"service":"${{ values.name }}"}`,
		"/health": `{"status":"ok"}`,
	} {
		response := httptest.NewRecorder()
		routes().ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, nil))
		if response.Code != http.StatusOK || strings.TrimSpace(response.Body.String()) != want {
			t.Errorf("%s: %d %s", path, response.Code, response.Body)
		}
	}
}
