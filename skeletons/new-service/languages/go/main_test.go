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

func TestRequestsAreCountedByRouteAndStatus(t *testing.T) {
	mux := routes()
	mux.HandleFunc("GET /broken/{id}", func(http.ResponseWriter, *http.Request) { panic("broken") })
	handler, err := observed(mux)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string) string {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(method, path, nil))
		return response.Body.String()
	}
	ask(http.MethodGet, "/")
	ask(http.MethodGet, "/nothing/here")
	ask(http.MethodGet, "/broken/7")
	ask("BREW", "/")

	metrics := ask(http.MethodGet, "/metrics")
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/{$}"} 1`,
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404"} 1`,
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="500",http_route="/broken/{id}"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not in\n%s", want, metrics)
		}
	}
	for _, foreign := range []string{"BREW", "nothing", "example.com"} {
		if strings.Contains(metrics, foreign) {
			t.Errorf("%s, which callers choose, is in\n%s", foreign, metrics)
		}
	}
}
