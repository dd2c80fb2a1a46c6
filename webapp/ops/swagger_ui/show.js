// Show the API's description. Paths are relative to the page.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null, // It would send the description to a server elsewhere.
});
