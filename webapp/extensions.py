"""The shared objects of the application, bare: nothing is connected or read when this module is imported."""

from flask_jwt_extended import JWTManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from webapp.models import Base

db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})
jwt = JWTManager()
migrate = Migrate(compare_type=True, render_as_batch=True)
