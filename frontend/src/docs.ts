// The page of the API's description: Swagger UI from our own files, no request to anybody else.
declare const SwaggerUIBundle: (options: Record<string, unknown>) => void;
const place = document.querySelector<HTMLElement>("#api-docs");
if (place) SwaggerUIBundle({ url: place.dataset.url, domNode: place, validatorUrl: null, deepLinking: false });
