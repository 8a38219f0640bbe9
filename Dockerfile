# The portal as it runs in production: web, worker, beat and migrations are one image.
FROM python:3.12-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/production.txt requirements/
RUN /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
    -r requirements/production.txt
COPY . .
# The settings want values before they tell where static files go. These are nobody's.
RUN env ORIGIN=https://build.invalid ALLOWED_HOSTS=build.invalid SECRET_KEY=build \
    VAULT_KEYS=build AUDIT_KEYS=build SUPPORT_EMAIL=build@build.invalid EMAIL_HOST=build.invalid \
    DATABASE_URL=sqlite://:memory: BROKER_URL=memory:// \
    /venv/bin/python manage.py collectstatic --noinput

FROM python:3.12-slim-bookworm
# A volume that is mounted here takes over the owner of the folder.
RUN useradd --system --uid 10001 --no-create-home --home-dir /app portal \
    && install --directory --owner portal --mode 0700 /var/lib/ecr-portal
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 STATE_DIR=/var/lib/ecr-portal
WORKDIR /app
USER 10001
EXPOSE 8000
CMD ["gunicorn", "portal.wsgi:application", "--bind", "0.0.0.0:8000"]
